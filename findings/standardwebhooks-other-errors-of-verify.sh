#!/usr/bin/env bash
# Version: standardwebhooks 1.1.0.
# Guess: verify() raises WebhookVerificationError, its documented error, for every message that it cannot verify, so a
#   receiver that catches it answers 400 to all of them.
# Behaviour: a webhook-signature that has not the form "v1,base64" is a ValueError, one whose base64 is cut off a
#   binascii.Error (a ValueError too), and a body that is no UTF-8 a UnicodeDecodeError (again one). A receiver that
#   catches the documented error alone answers 500 to these, which senders take for a reason to try again.
# Output seen:
#   no version: ValueError
#   two commas: ValueError
#   base64 cut off: Error
#   body in Latin-1: UnicodeDecodeError
#   another signature: WebhookVerificationError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import time

from standardwebhooks import Webhook

webhook = Webhook("whsec_" + base64.b64encode(bytes(range(32))).decode())
good = base64.b64encode(bytes(32)).decode()
seen = []
for name, signature, body in (
    ("no version", good, b"{}"),
    ("two commas", f"v1,{good},{good}", b"{}"),
    ("base64 cut off", "v1,abc", b"{}"),
    ("body in Latin-1", f"v1,{good}", "é".encode("latin-1")),
    ("another signature", f"v1,{good}", b"{}"),
):
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": signature}
    try:
        webhook.verify(body, headers)
    except Exception as error:
        seen.append((name, type(error).__name__, isinstance(error, ValueError)))
print("\n".join(f"{name}: {kind}" for name, kind, _ in seen))
assert seen == [
    ("no version", "ValueError", True),
    ("two commas", "ValueError", True),
    ("base64 cut off", "Error", True),
    ("body in Latin-1", "UnicodeDecodeError", True),
    ("another signature", "WebhookVerificationError", False),
]
PYTHON
