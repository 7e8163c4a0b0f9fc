"""How operations tell what they are doing; the terminal decides how it looks."""

from contextlib import AbstractContextManager
from typing import Protocol


class Bar(Protocol):
    """Progress of one step. `total` is 0 while it is not known."""

    def update(self, done: int, total: int, text: str = "") -> None: ...


class Reporter(Protocol):
    """Receives what happens, as it happens."""

    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def step(self, title: str) -> AbstractContextManager[Bar]: ...
    def still(self) -> AbstractContextManager[None]:
        """Nothing moves on the terminal meanwhile: somebody is asked there."""
