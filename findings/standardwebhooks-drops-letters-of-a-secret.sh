#!/usr/bin/env bash
# Version: standardwebhooks 1.1.0.
# Guess: a whsec_ secret in the urlsafe alphabet of base64 (with - and _, as secrets.token_urlsafe and many key stores
#   write it) is decoded as such, or refused; and a secret given as bytes is the same key as its text.
# Behaviour: - and _ are dropped without a word, so that another, shorter key is used: a sender in another language that
#   decodes them, or refuses them, never agrees with it. Bytes are taken for the key itself, prefix and all.
# Output seen:
#   with - and _ left in and left out, the signatures are equal: True
#   signed as a library does that knows the urlsafe alphabet: False
#   of the same text as bytes: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import hashlib
import hmac
from datetime import UTC, datetime

from standardwebhooks import Webhook

key = bytes([0xFB, 0xEF, 0xBE, 0xFF]) + bytes(range(28))
text = "whsec_" + base64.urlsafe_b64encode(key).decode()
assert "-" in text and "_" in text.removeprefix("whsec_")
now = datetime.now(UTC)


def signed(secret: str | bytes) -> str:
    return Webhook(secret).sign("msg_1", now, "{}")


bare = "whsec_" + text.removeprefix("whsec_").replace("-", "").replace("_", "")
digest = hmac.digest(key, f"msg_1.{int(now.timestamp())}.{{}}".encode(), hashlib.sha256)
own = "v1," + base64.b64encode(digest).decode()
seen = [signed(text) == signed(bare), signed(text) == own, signed(text) == signed(text.encode())]
print("with - and _ left in and left out, the signatures are equal:", seen[0])
print("signed as a library does that knows the urlsafe alphabet:", seen[1])
print("of the same text as bytes:", seen[2])
assert seen == [True, False, False]
PYTHON
