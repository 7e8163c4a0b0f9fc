"""The client's side of an exchange."""

from __future__ import annotations

from typing import Protocol

from .answers import Answer
from .heads import RequestHead


class Downstream(Protocol):
    """The client's connection, as far as an exchange uses it."""

    eof: bool

    @property
    def closing(self) -> bool:
        """No other request is taken from it."""
        ...

    @property
    def early(self) -> bool:
        """The client has sent something after the request."""
        ...

    def send(self, data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def reply(self, answer: Answer, request: RequestHead, *, complete: bool) -> None:
        """Answer locally; the exchange is over. `complete`: the request's body has been read to its end."""
        ...

    def finished(self, *, keep_alive: bool) -> None:
        """The exchange is over, its answer is sent and its request read."""
        ...

    def linger(self) -> None:
        """The exchange is over, its answer is sent, and the rest of its request is of no use."""
        ...

    def cut(self, *, reset: bool) -> None:
        """The exchange is over in the middle of its answer: close, so that the client notices. `reset`: an
        orderly close would be the answer's end."""
        ...

    def early_bytes(self) -> bytes:
        """What the client sent after the request, for a connection that has just been upgraded."""
        ...
