"""What others put on a host and Greffier takes over: values that the book of an adoption keeps."""

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deploy.state.users import User

PUT_ASIDE = "/etc/nginx/before-greffier"
"""For files of a folder that nginx reads whole, whatever their names end in."""


@dataclass(frozen=True)
class Config:
    """A file with servers, put aside as `aside`; or a link to one, taken out."""

    path: str
    why: str
    link: str
    aside: str
    digest: str
    listens: bool
    """It listens on a port that Greffier needs, which nginx keeps until it is reloaded."""

    @property
    def key(self) -> str:
        return f"config {self.path}"

    @property
    def label(self) -> str:
        return self.path

    def __str__(self) -> str:
        return f"{self.label} {self.why}"

    @property
    def taking(self) -> str:
        return f"the link is removed; {self.source} stays" if self.link else f"becomes {self.aside}"

    @property
    def source(self) -> str:
        """What the link points at."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.path), self.link))


@dataclass(frozen=True)
class Unit:
    """A service of systemd. `file` is what enables it again: its name, or what a link of that name points at."""

    name: str
    why: str
    file: str
    enabled: bool
    active: bool

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    @property
    def label(self) -> str:
        return self.name

    def __str__(self) -> str:
        return f"{self.label} {self.why}"

    @property
    def taking(self) -> str:
        return " and ".join(["stopped"] * self.active + ["disabled"] * self.enabled)


@dataclass(frozen=True)
class Container:
    """A container. `aside` is its new name, where Greffier needs the one it has."""

    id: str
    name: str
    why: str
    running: bool
    restart: str
    aside: str

    @property
    def key(self) -> str:
        return f"container {self.id}"

    @property
    def label(self) -> str:
        return f"container {self.name}"

    def __str__(self) -> str:
        return f"{self.label} {self.why}"

    @property
    def taking(self) -> str:
        done = ["stopped"] * self.running
        done += [f"no longer started by Docker (restart: {self.restart})"] * (self.restart != "no")
        return ", ".join([*done, *([f"renamed to {self.aside}"] if self.aside else [])])


Step = Config | Unit | Container


@dataclass(frozen=True)
class Found:
    """`steps` in the order in which they are taken: what is in the way, and what would be done with it."""

    steps: tuple[Step, ...]
    by_hand: tuple[str, ...]
    """What is in the way and could not be brought back, in sentences."""
    notes: tuple[str, ...]
    passwords: tuple[str, ...]
    """Files that these servers look users up in."""
    users: tuple[User, ...] = ()
    refused: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps or self.by_hand)


def ordered(steps: Iterable[Step]) -> list[Step]:
    """As they are taken: what systemd listens for before the service that it would start."""
    kinds = [Config, Unit, Container]
    return sorted(steps, key=lambda step: (kinds.index(type(step)), not step.label.endswith(".socket")))


def returning(steps: Sequence[Step]) -> list[Step]:
    """As they come back: containers, then what leads to them; and an address is none's before its socket has it."""
    return [step for kind in (Container, Unit, Config) for step in ordered(steps) if isinstance(step, kind)]


def merged(before: Sequence[Step], now: Sequence[Step]) -> list[Step]:
    """What was remembered first of a unit or container stays: it tells how that was before anything was changed. A file
    that is found is where it always was."""
    fresh = {step.key for step in now if isinstance(step, Config)}
    return ordered({step.key: step for step in (*now, *(old for old in before if old.key not in fresh))}.values())
