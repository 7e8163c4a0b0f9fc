"""Closing one direction of a connection."""

from __future__ import annotations

import asyncio
import contextlib


def half_close(transport: asyncio.WriteTransport) -> None:
    """Send no more. Where the other side has just reset the connection, the system refuses (ENOTCONN):
    its protocol is told in a moment that it is lost."""
    with contextlib.suppress(OSError):
        transport.write_eof()
