"""What goes wrong, said so that the reader knows what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.program_output import untraced

BUG = 1  # the kit itself is wrong
INVENTORY = 2  # the inventory, or what it refers to, is wrong
HOST = 3  # the host refused, or could not be reached
CHANGES = 4  # there is something to change
LOCKED = 5  # somebody else is deploying


class KitError(Exception):
    """A sentence for the operator, what to do about it, and the exit status."""

    def __init__(self, message: str, hint: str = "", *, code: int = HOST, output: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.output = untraced(output)
        """What the failed step printed, shown above the message: all of it but stack traces."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: `place` is file:line:column."""

    place: str
    message: str
    hint: str = ""


def _position(problem: Problem) -> tuple[str, int, int]:
    file, line, column = problem.place.rsplit(":", 2)
    return file, int(line), int(column)


class InventoryError(KitError):
    """Everything that is wrong with an inventory, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=_position))
        lines = [f"{p.place}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in self.problems]
        super().__init__("\n".join(lines), code=INVENTORY)
