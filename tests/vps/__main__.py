"""Hosts to try things on by hand: python -m tests.vps NAME... ; they go when it ends."""

import signal
import sys
from contextlib import ExitStack

from tests.vps.engine import VpsError
from tests.vps.host import Host
from tests.vps.internet import Internet


def main(names: list[str]) -> int:
    # A plain `kill` cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as stack:
            internet = stack.enter_context(Internet())
            for name in names:
                host = stack.enter_context(Host(name, internet))
                print(f"  ssh -F {host.ssh_config} {name}    # {host.address}, inside {host.inside}", flush=True)
            print("Ctrl-C ends it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print()
    except VpsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if not sys.argv[1:] or any(not name.replace("-", "").isalnum() for name in sys.argv[1:]):
        sys.exit("Which hosts? python -m tests.vps NAME... (letters, digits, hyphens)")
    sys.exit(main(sys.argv[1:]))
