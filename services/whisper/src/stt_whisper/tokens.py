"""Tokens as the vocabulary writes them, and the bytes that they stand for. Pure."""

_PLAIN = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHER = [byte for byte in range(256) if byte not in _PLAIN]
BYTES = {chr(byte): byte for byte in _PLAIN} | {chr(256 + place): byte for place, byte in enumerate(_OTHER)}
"""What each letter of a token in the vocabulary stands for (GPT-2's byte-level alphabet)."""


def raw(piece: str) -> bytes:
    """The bytes of a token as the vocabulary writes it."""
    return bytes(BYTES[letter] for letter in piece)
