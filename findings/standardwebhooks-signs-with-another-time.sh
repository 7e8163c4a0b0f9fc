#!/usr/bin/env bash
# Version: standardwebhooks 1.1.0.
# Guess: Webhook.sign(id, timestamp, data) signs the moment that the datetime stands for: a naive one is local time, as
#   everywhere in Python, and an aware one of any zone is what it says.
# Behaviour: it puts UTC in the place of whatever zone there is. East or west of Greenwich, a naive local time and an
#   aware one of that zone are both signed hours away from the webhook-timestamp header that a sender makes of the same
#   datetime, and the package's own verify() refuses the message. Only a datetime in UTC is signed as it is.
# Output seen, of the same moment in Europe/Paris (two hours ahead):
#   naive local: refused, No matching signature found
#   aware, Europe/Paris: refused, No matching signature found
#   aware, UTC: verified
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0 tzdata==2025.2
TZ=Europe/Paris "$folder/venv/bin/python" - <<'PYTHON'
import base64
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_" + base64.b64encode(bytes(range(32))).decode())
now = int(time.time())
seen = []
for name, moment in (
    ("naive local", datetime.fromtimestamp(now)),
    ("aware, Europe/Paris", datetime.fromtimestamp(now, ZoneInfo("Europe/Paris"))),
    ("aware, UTC", datetime.fromtimestamp(now, UTC)),
):
    signature = webhook.sign("msg_1", moment, "{}")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature}
    try:
        webhook.verify("{}", headers)
        seen.append(f"{name}: verified")
    except WebhookVerificationError as error:
        seen.append(f"{name}: refused, {error}")
print("\n".join(seen))
refused = "refused, No matching signature found"
assert seen == [f"naive local: {refused}", f"aware, Europe/Paris: {refused}", "aware, UTC: verified"]
PYTHON
