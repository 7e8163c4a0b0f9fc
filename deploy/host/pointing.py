"""Whether names point at this host, looked at before an authority is asked to find out: it counts what fails.

Standard input, one JSON document: {"names": [name], "webroot": the folder that nginx answers ACME's challenges from}

Standard output, one JSON document: {name: why it does not point here, or an empty text where it does or may}. A name
whose address gives no answer may: a host behind an address that it does not have itself may not reach it from within.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import secrets
import socket
import sys
from pathlib import Path

SECONDS = 5.0
"""For an answer of another host."""
PORT = 80
CHALLENGES = ".well-known/acme-challenge"
ANSWER = 1024  # bytes


def addresses(name: str) -> list[str]:
    """Those that the host's own look-up gives. Raises OSError."""
    found = socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


def own(address: str) -> bool:
    """Whether it is one of this host's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def elsewhere(address: str, name: str, token: str) -> bool:
    """Whether somebody else answers there: one who does not know the token. Where it leads on, nobody knows."""
    connection = http.client.HTTPConnection(address, PORT, timeout=SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", f"/{CHALLENGES}/{token}", headers={"Host": name})
            answer = connection.getresponse()
            return not 300 <= answer.status < 400 and answer.read(ANSWER).decode(errors="replace") != token
        except http.client.HTTPException:
            return True  # it speaks, and not as nginx does
        except OSError:
            return False


def astray(name: str, token: str) -> str:
    """Why it does not point here; empty where it does, or may."""
    try:
        found = addresses(name)
    except UnicodeError:
        return "does not exist in DNS"
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return "could not be looked up from the host: its DNS did not answer"
        return "has no address"
    # Of several any may be asked, and of IPv6 and IPv4 the first.
    wrong = [address for address in found if not own(address) and elsewhere(address, name, token)]
    return f"points at {', '.join(wrong)}, where another host answers" if wrong else ""


def main() -> int:
    request = json.loads(sys.stdin.buffer.read())
    token = secrets.token_urlsafe(24)
    proof = Path(request["webroot"], CHALLENGES, token)
    names = request["names"]
    try:
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.write_text(token, encoding="ascii")
        with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
            found = dict(zip(names, pool.map(lambda name: astray(name, token), names)))
    finally:
        proof.unlink(missing_ok=True)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
