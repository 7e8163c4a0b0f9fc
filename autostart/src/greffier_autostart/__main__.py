"""The command line: `serve --config FILE` and `control --socket PATH COMMAND [NAME]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .config import ConfigError
from .control import ControlError, ask


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0; 1 if a command was not carried out or nothing can run; 2 for a wrong configuration."""
    options = _parser().parse_args(arguments)
    if options.program == "serve":
        return _serve(options.config)
    try:
        answer = ask(options.socket, options.command, getattr(options, "name", None))
    except ControlError as error:
        answer = {"error": {"message": str(error)}}
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return 1 if "error" in answer else 0


def _serve(config: Path) -> int:
    from .serve import ServeError, serve  # control commands need not wait for uvloop

    try:
        serve(config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except ServeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="greffier_autostart", description="Greffier's on-demand proxy.")
    programs = parser.add_subparsers(dest="program", required=True, metavar="serve|control")
    serving = programs.add_parser("serve", help="run the proxy")
    serving.add_argument("--config", type=Path, required=True, metavar="FILE", help="JSON configuration file")
    control = programs.add_parser("control", help="control the running proxy; prints one JSON document")
    control.add_argument("--socket", type=Path, required=True, metavar="PATH", help="control socket")
    commands = control.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("status", help="show the state of every service")
    for name, words in (
        ("wake", "start a service and wait until it is ready"),
        ("sleep", "stop an idle service"),
        ("hold", "drain and stop the service, and hold new requests until `release`"),
        ("release", "let held requests go on"),
        ("dismiss", "close the websockets of a user"),
    ):
        commands.add_parser(name, help=words).add_argument("name", metavar="NAME")
    commands.add_parser("reload", help="read the configuration file again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
