"""Users of a host: state of the host, in htpasswd, changed here and nowhere else."""

import base64
import hashlib
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy import reading
from deploy.errors import INVENTORY, KitError
from deploy.transport.targets import Target
from deploy.types import Layout

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
URL_KEY = "+"
"""Between name and service of a user whose key stands in a URL: nginx takes it there, and for that service alone."""
ALPHABET = string.ascii_letters + string.digits
MAX_BYTES = 1 << 20
"""Of an htpasswd file that is imported."""
PASSWORD_LENGTH = 24
"""24 letters and digits are 142 random bits: a fast hash of them is safe."""


@dataclass(frozen=True)
class Key:
    """A user with the password just made; shown once."""

    name: str
    password: str

    @property
    def service(self) -> str:
        """The only one that a key in a URL is good for; empty for other keys."""
        return self.name.partition(URL_KEY)[2]

    @property
    def api_key(self) -> str:
        """Unpadded base64 of user:password: what OpenAI's client sends as Bearer.

        Of letters, digits and the marks of names it never has a slash or a plus, so a path can carry it.
        """
        return base64.b64encode(f"{self.name}:{self.password}".encode()).decode().rstrip("=")


@dataclass(frozen=True)
class User:
    """A line of htpasswd. `advice` is empty where its hash is good."""

    name: str
    hash: str
    advice: str


def hash_of(password: str, salt: bytes) -> str:
    """{SSHA} as nginx reads it: base64 of SHA-1(password + salt) + salt."""
    total = hashlib.sha1(password.encode() + salt).digest() + salt
    return "{SSHA}" + base64.b64encode(total).decode()


def advice(hash_text: str) -> str:
    """What is wrong with a hash that came from elsewhere."""
    if hash_text.startswith("{SSHA}"):
        return ""
    if hash_text.startswith(("$2a$", "$2b$", "$2y$")):
        return "slow (bcrypt): a few requests a second stall nginx; rotate it"
    if hash_text.startswith("{PLAIN}"):
        return "plain text: rotate it now"
    return "weak if the password was chosen by a person; rotate it"


def listed(target: Target, layout: Layout) -> list[User]:
    """The users there are, by name."""
    text = (target.read(layout.htpasswd) or b"").decode(errors="replace")
    found = []
    for line in text.splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and not name.startswith("#"):
            found.append(User(name, rest.split(":")[0], advice(rest)))
    return sorted(found, key=lambda user: user.name)


def add(target: Target, layout: Layout, name: str, service: str = "") -> Key:
    """Make a user with a generated password. service: the only one it is for, by a key in the URL; empty for all, by
    other ways. Raises KitError when the name is taken or odd."""
    _check(name)
    name = f"{name}{URL_KEY}{service}" if service else name
    with target.lock(f"users add {name}"):
        users = listed(target, layout)
        if any(user.name == name for user in users):
            raise KitError(
                f"User {name} already exists.", f"`greffier users rotate {name}` sets a new password.", code=INVENTORY
            )
        return _set(target, layout, users, name)


def rotate(target: Target, layout: Layout, name: str) -> Key:
    """Give a user a new password; the old one ends at once."""
    with target.lock(f"users rotate {name}"):
        return _set(target, layout, _known(target, layout, name), name)


def remove(target: Target, layout: Layout, name: str) -> None:
    """Take a user away; the password ends at once."""
    with target.lock(f"users remove {name}"):
        users = _known(target, layout, name)
        _write(target, layout, [user for user in users if user.name != name])


def text_of(file: Path) -> str:
    """An htpasswd file of this machine. Raises KitError."""
    try:
        return reading.whole(file, MAX_BYTES).decode(errors="replace")
    except OSError as error:
        raise KitError(f"{file} cannot be read: {error.strerror}.", code=INVENTORY) from None


def take(target: Target, layout: Layout, text: str) -> tuple[list[User], list[str]]:
    """Add the users of another htpasswd with their hashes. Returns those taken and why others were not."""
    with target.lock("users import"):
        there = listed(target, layout)
        taken, refused = read(text, [user.name for user in there])
        join(target, layout, taken)
    return taken, refused


def read(text: str, there: Iterable[str] = ()) -> tuple[list[User], list[str]]:
    """The users of another htpasswd that are not `there` yet, and why others cannot be taken."""
    refused, taken, known = [], [], set(there)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.strip().partition(":")
        value = rest.split(":")[0]
        if not colon or not value or not NAME.fullmatch(name) or not value.isprintable():
            refused.append(f"line {number}: not `user:hash` with a name of letters, digits and ._@-")
        elif name in known:
            refused.append(f"line {number}: {name} already exists")
        else:
            taken.append(User(name, value, advice(value)))
            known.add(name)
    return taken, refused


def join(target: Target, layout: Layout, taken: Sequence[User]) -> None:
    """Add users with their hashes; those who are there already stay as they are. To be called under the host's lock."""
    there = listed(target, layout)
    names = {user.name for user in there}
    _write(target, layout, there + [user for user in taken if user.name not in names])


def ensure(target: Target, layout: Layout) -> None:
    """An htpasswd without users lets nobody in; none at all would be an error of nginx's, and so would be one that its
    workers cannot read."""
    content = target.read(layout.htpasswd)
    if content is None:
        _write(target, layout, [])
        return
    there = target.states([layout.htpasswd])[layout.htpasswd]
    if unread(there.group, _group(target, layout), layout):
        _put(target, layout, content)


def unread(group: str, workers: str, layout: Layout) -> str:
    """Why nginx's workers cannot read an htpasswd of this group; empty where they can."""
    if group == workers or layout.runtime == "process":
        return ""
    return f"its group is {group}, but nginx's workers are in {workers}"


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise KitError(
            f"{name!r} is not a user name: 1 to 64 letters, digits, dots, hyphens, underscores or @.", code=INVENTORY
        )


def _known(target: Target, layout: Layout, name: str) -> list[User]:
    users = listed(target, layout)
    if not any(user.name == name for user in users):
        names = ", ".join(user.name for user in users) or "none yet"
        raise KitError(f"There is no user {name!r}.", f"Users: {names}.", code=INVENTORY)
    return users


def _set(target: Target, layout: Layout, users: list[User], name: str) -> Key:
    key = Key(name, "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH)))
    entry = User(name, hash_of(key.password, secrets.token_bytes(8)), "")
    _write(target, layout, [user for user in users if user.name != name] + [entry])
    return key


def _write(target: Target, layout: Layout, users: list[User]) -> None:
    text = "".join(f"{user.name}:{user.hash}\n" for user in sorted(users, key=lambda user: user.name))
    _put(target, layout, text.encode())


def _put(target: Target, layout: Layout, content: bytes) -> None:
    target.write(layout.htpasswd, content, 0o640, layout.root, _group(target, layout))


def _group(target: Target, layout: Layout) -> str:
    """The group that nginx's workers are in."""
    return target.answer(target.supervisor.nginx())[1] or layout.www
