"""Hosts to try things on by hand: python -m tests.vps NAME[:KIND]... ; they go when it ends."""

import signal
import sys
from contextlib import ExitStack

from tests.vps.engine import VpsError
from tests.vps.host import KINDS, Host, Kind
from tests.vps.internet import Internet


def main(hosts: dict[str, Kind]) -> int:
    # A plain `kill` cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as stack:
            internet = stack.enter_context(Internet())
            for name, kind in hosts.items():
                host = stack.enter_context(Host(name, internet, kind))
                print(f"  ssh -F {host.ssh_config} {name}    # {host.address}, inside {host.inside}", flush=True)
            print("Ctrl-C ends it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print()
    except VpsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def asked(words: list[str]) -> dict[str, Kind]:
    """Name -> kind. Raises SystemExit with how to ask."""
    hosts: dict[str, Kind] = {}
    for word in words:
        name, _, kind = word.partition(":")
        known = [each for each in KINDS if each == (kind or KINDS[0])]
        if not known or not name.replace("-", "").isalnum():
            hosts.clear()
            break
        hosts[name] = known[0]
    if not hosts:
        kinds = ", ".join(KINDS)
        sys.exit(f"Which hosts? python -m tests.vps NAME[:KIND]... (letters, digits, hyphens; a KIND is {kinds})")
    return hosts


if __name__ == "__main__":
    sys.exit(main(asked(sys.argv[1:])))
