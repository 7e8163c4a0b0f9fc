"""Signatures of webhooks by the Standard Webhooks specification (github.com/standard-webhooks), version 1."""

import base64
import binascii
import hmac
from dataclasses import dataclass, field

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, by the specification."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What the sender and the receiver have in common."""

    key: bytes = field(repr=False)

    @classmethod
    def parsed(cls, text: str) -> "Secret":
        """Of its written form. Raises ValueError with what is wrong, without the secret.

        Letters of the other base64 alphabet, - and _, are refused: the published library drops them silently, so
        the two sides would sign with different keys.
        """
        if not text.startswith(PREFIX):
            raise ValueError(f"it must begin with {PREFIX}")
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"what follows {PREFIX} must be base64, of the alphabet with + and /") from None
        if not SHORTEST <= len(key) <= LONGEST:
            raise ValueError(f"it must hold {SHORTEST} to {LONGEST} bytes, and holds {len(key)}")
        return cls(key)

    def headers(self, identity: str, at: int, body: bytes) -> dict[str, str]:
        """What goes with a body. identity: the same at every try; at: now, in whole Unix seconds."""
        signed = f"{identity}.{at}.".encode() + body
        digest = base64.b64encode(hmac.digest(self.key, signed, "sha256")).decode()
        return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": f"v1,{digest}"}
