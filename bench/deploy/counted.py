"""`greffier`, saying at its end in how many round trips it asked each host: `python -m bench.deploy.counted deploy`."""

import atexit
import sys
from typing import Any

import cli
from deploy.transport.connection import Connection

MARK = "round trips:"


def main() -> None:
    made: list[Connection] = []
    begin = Connection.__init__

    def noted(connection: Connection, *arguments: Any, **more: Any) -> None:
        made.append(connection)
        begin(connection, *arguments, **more)

    Connection.__init__ = noted  # type: ignore[method-assign,assignment]
    atexit.register(lambda: print(MARK, *(connection.rounds for connection in made), file=sys.stderr))
    cli.main()


if __name__ == "__main__":
    main()
