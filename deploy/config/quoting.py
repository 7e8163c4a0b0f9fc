"""What somebody wrote, in a message: as they wrote it."""


def shown(value: object) -> str:
    """Text in quotes; of a mapping or a list what it is."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return "nothing" if value is None else repr(value)
    text = value if len(value) <= 60 else f"{value[:60]}…"
    if not text.isprintable():
        return repr(text)
    return f'"{text}"' if "'" in text else f"'{text}'"
