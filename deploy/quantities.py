"""Sizes and durations with units, as people write them: 500M, 90s, 15m."""

import re

_SIZE = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"([0-9]{1,9})([A-Za-z]*)")
MAX_SIZE = 1 << 50
"""Bytes. Far above any disk, and still a number that nginx and Docker can hold."""
MAX_DURATION = 365 * 86400
"""Seconds; more than a year is a slip of the pen."""


def _split(text: object, units: dict[str, int], what: str, example: str) -> int:
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None and not isinstance(text, int):
        raise ValueError(f"{text!r} is not a {what}: write a whole number and a unit, such as {example}")
    number, unit = match.groups() if match else (str(text), "")
    if not unit:
        raise ValueError(f"{text!r} has no unit: write {example}, for example")
    factor = units.get(unit.lower())
    if factor is None:
        raise ValueError(f"{unit!r} is no unit of a {what}: use one of {', '.join(units)}")
    return int(number) * factor


def size(text: object) -> int:
    """Bytes of `500M`: powers of 1024, as nginx and Docker count them."""
    value = _split(text, _SIZE, "size", "500M")
    if value <= 0:
        raise ValueError("a size must be more than zero")
    if value > MAX_SIZE:
        raise ValueError(f"a size is at most {show_size(MAX_SIZE)}")
    return value


def duration(text: object) -> int:
    """Seconds of `90s`, `15m`, `2h` or `1d`."""
    value = _split(text, _TIME, "duration", "30s")
    if value <= 0:
        raise ValueError("a duration must be more than zero")
    if value > MAX_DURATION:
        raise ValueError(f"a duration is at most {show_duration(MAX_DURATION)}")
    return value


def idle(text: object) -> int:
    """Like `duration`; `never` is 0: the service is not put to sleep."""
    return 0 if text == "never" else duration(text)


def show_size(value: int) -> str:
    """`500M` of 524288000; plain bytes where no unit divides it."""
    for unit, factor in reversed(_SIZE.items()):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit.upper()}"
    return f"{value} bytes"


def show_duration(value: int) -> str:
    """`15m` of 900."""
    for unit, factor in reversed(_TIME.items()):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit}"
    return f"{value}s"
