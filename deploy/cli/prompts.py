"""What is asked on a terminal before something is written for the first time."""

import sys
from collections.abc import Callable
from pathlib import Path

from deploy.cli.progress import err
from deploy.config.example import First, right_domain, right_model
from deploy.errors import KitError


def first(path: Path) -> First:
    """What a first inventory needs to be told; nothing where there is no terminal, or nothing to write."""
    if not sys.stdin.isatty() or path.exists():
        return First()
    err.print("Your domain. Services answer at <name>.<domain>; point their DNS records at your host.")
    domain = _asked("Domain", "", right_domain)
    err.print("How to reach the host over SSH: a name from ~/.ssh/config, or an address.")
    address = _asked("Address", domain, str)
    err.print("The model: base is fast, small is the default, large-v3-turbo is best if it fits in memory.")
    model = _asked("Model", "small", right_model)
    return First(domain, "" if address == domain else address, "" if model == "small" else model)


def _asked(what: str, usual: str, right: Callable[[str], str]) -> str:
    """An answer that is right; Enter takes the usual one. Raises KitError after Ctrl-D."""
    while True:
        try:
            said = input(f"{what}{f' [{usual}]' if usual else ''}: ").strip() or usual
        except EOFError:
            print()
            raise KitError("Nothing was written.", "`greffier init --domain NAME` does not ask.", code=2) from None
        try:
            return right(said)
        except KitError as error:
            err.print(error.message, style="yellow", markup=False)
