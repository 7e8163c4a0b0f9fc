"""Tells somebody that a certificate nears its end, that a service fails, or what else is said to it.

A timer of the host's runs it: `notify.py CONFIG` looks at everything, and tells what it has not told before;
`notify.py CONFIG SENTENCE` tells that sentence. It lies on the host by itself, so that it knows nothing of the kit's
other programs.

The configuration, a JSON document:

    host         its name in the inventory
    certificate  path of what nginx serves
    control      path of autostart's socket
    state        path of what was told
    secrets      path of lines NAME='value': WEBHOOK and PASSWORD, where they are secrets
    webhook      address, or empty
    mail         {to, sender, server, port, user} or null
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.message
import email.utils
import json
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SECONDS = 20
LATE = 1 / 6
"""Of a certificate's lifetime: who renews it at a third has had half of that time for it."""
LAST = 1 / 30
MAX_ANSWER = 4 << 20
HELLO = "Greffier will notify you here when something needs attention: an expiring certificate, a failed service."


class NoTls(ValueError):
    """A password is not sent for everybody to read."""


def lifetime(pem: str) -> tuple[dt.datetime, dt.datetime] | None:
    """(begin, end) of the certificate that nginx serves; None where it cannot be read."""
    words = ("openssl", "x509", "-noout", "-dates", "-in", pem)
    with contextlib.suppress(OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False
        )
        said = dict(line.split("=", 1) for line in done.stdout.splitlines())
        begin, end = (ssl.cert_time_to_seconds(said[name]) for name in ("notBefore", "notAfter"))
        return dt.datetime.fromtimestamp(begin, dt.timezone.utc), dt.datetime.fromtimestamp(end, dt.timezone.utc)
    return None


def of_certificate(pem: str, now: dt.datetime) -> dict[str, str]:
    """What is to be told of it, by what tells one telling from the next."""
    found = lifetime(pem)
    if not found:
        return {}
    begin, end = found
    left, whole = end - now, end - begin
    if left > whole * LATE:
        return {}
    if left.total_seconds() <= 0:
        said, stage = f"The certificate expired on {end:%Y-%m-%d}: clients cannot connect.", "ended"
    else:
        days = f"in {left.days} days" if left.days > 1 else "within two days"
        said, stage = f"The certificate expires {days}, on {end:%Y-%m-%d}, and was not renewed.", "late"
        stage = "last" if left <= whole * LAST else stage
    return {f"certificate {end.isoformat()} {stage}": f"{said} `greffier certs status` shows who renews it."}


def services(control: str) -> list[dict[str, Any]] | None:
    """autostart's services; None where it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(control)
            connection.sendall(b'{"command": "status", "name": null}\n')
            with connection.makefile("rb") as file:
                return list(json.loads(file.read(MAX_ANSWER))["services"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def of_services(control: str) -> dict[str, str]:
    found = services(control)
    if found is None:
        return {"autostart": "autostart is not responding: no service can be woken. Run `greffier doctor`."}
    return {
        f"service {entry['name']}": f"{entry['name']} failed: {str(entry['lastError']).rstrip('.')}. "
        f"`greffier logs {entry['name']}` shows more."
        for entry in found
        if entry.get("lastError")
    }


def remembered(path: Path) -> dict[str, str] | None:
    """What was told and still holds; None where nothing was ever told."""
    try:
        return {str(key): str(text) for key, text in json.loads(path.read_text(encoding="utf-8"))["told"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def remember(path: Path, told: dict[str, str]) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps({"told": told}) + "\n", encoding="utf-8")
    os.replace(new, path)


def secrets(path: str) -> dict[str, str]:
    """NAME='value' in each line."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            found[name] = value[1:-1]
    return found


def why(error: Exception) -> str:
    if isinstance(error, NoTls):
        return str(error)
    return str(getattr(error, "reason", "") or getattr(error, "strerror", "") or type(error).__name__)


def tell(config: dict[str, Any], sentence: str) -> list[str]:
    """Send a sentence on every way there is. Returns why, for each way on which it could not be sent."""
    known = secrets(config["secrets"])
    text = f"{config['host']}: {sentence}"
    failures = []
    for name, way in (("webhook", post), ("mail", mail)):
        try:
            way(config, known, text)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # The address may be a secret: what is said of it has none of it.
            failures.append(f"{name}: {why(error)}")
    return failures


def post(config: dict[str, Any], known: dict[str, str], text: str) -> None:
    address = known.get("WEBHOOK") or config["webhook"]
    if not address:
        return
    # Under the names that chat servers take it by.
    body = json.dumps({"text": text, "content": text, "host": config["host"]}).encode()
    head = {"Content-Type": "application/json", "User-Agent": "Greffier"}
    with urllib.request.urlopen(urllib.request.Request(address, body, head), timeout=SECONDS):
        pass


def mail(config: dict[str, Any], known: dict[str, str], text: str) -> None:
    to = config["mail"]
    if not to:
        return
    message = email.message.EmailMessage()
    message["From"], message["To"] = to["sender"], to["to"]
    message["Subject"] = text if len(text) < 78 else f"{text[:76]}…"
    message["Date"], message["Message-ID"] = email.utils.localtime(), email.utils.make_msgid(domain="greffier.invalid")
    message.set_content(text + "\n")
    context = ssl.create_default_context()
    if to["port"] == 465:
        server: smtplib.SMTP = smtplib.SMTP_SSL(to["server"], 465, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(to["server"], to["port"], timeout=SECONDS)
    with server:
        if to["port"] != 465:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif to["user"]:
                raise NoTls("the server offers no TLS, so the password was not sent")
        if to["user"]:
            server.login(to["user"], known.get("PASSWORD", ""))
        server.send_message(message)


def look(config: dict[str, Any], now: dt.datetime) -> list[str]:
    """Tell what is new, and what is well again. Returns what could not be sent: it is tried again."""
    path = Path(config["state"])
    before = remembered(path)
    now_there = {**of_certificate(config["certificate"], now), **of_services(config["control"])}
    if before is None:
        before, failures = {}, tell(config, HELLO)
        if failures:
            return failures
    told, failures = {}, []
    for key, sentence in now_there.items():
        # autostart is away for a moment at each restart: it is told where it is gone twice.
        if key == "autostart" and f"{key}?" not in before and key not in before:
            told[f"{key}?"] = sentence
        elif key in before:
            told[key] = before[key]
        elif failed := tell(config, sentence):
            failures += failed
        else:
            told[key] = sentence
    for key in before.keys() - now_there.keys():
        kind, _, name = key.partition(" ")
        if kind in ("service", "autostart"):
            failures += tell(config, f"{name or kind} has recovered.")
    remember(path, told)
    return failures


def main() -> int:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sentence = " ".join(sys.argv[2:])
    failures = tell(config, sentence) if sentence else look(config, dt.datetime.now(dt.timezone.utc))
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
