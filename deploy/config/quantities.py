"""Sizes and durations with units, as people write them: 500M, 90s, 15m."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.config.quoting import shown

_SIZE = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"([0-9]{1,9})([A-Za-z]*)")
_PART = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")
_NEVER = frozenset({"off", "no", "none", "never", "false", "disabled", "infinity", "forever", "0", "-1", "0s", "0m"})
MAX_SIZE = 1 << 50
"""Bytes. Far above any disk, and still a number that nginx and Docker can hold."""
MAX_DURATION = 365 * 86400
"""Seconds; more than a year is a slip of the pen."""


@dataclass(frozen=True)
class _Measure:
    """`words`: units that are not taken, and what they mean, so that the right one can be said."""

    what: str
    example: str
    units: Mapping[str, int]
    words: Mapping[str, str]
    show: Callable[[int], str]

    def instead(self, text: object) -> str:
        """What to write in place of 1.5GB or `15 minutes`; empty where nobody knows what was meant."""
        parts = _PART.findall(text) if isinstance(text, str) and re.fullmatch(f"({_PART.pattern})+\\s*", text) else []
        units = [self.units.get(self.words.get(unit.lower(), unit.lower())) for _, unit in parts]
        if not parts or None in units:
            return ""
        total = sum(float(number) * (unit or 0) for (number, _), unit in zip(parts, units, strict=True))
        return f"write {self.show(int(total))}" if total == int(total) and total else ""


def _words(unit: str, *words: str) -> dict[str, str]:
    return dict.fromkeys(words, unit)


def _split(text: object, measure: _Measure) -> int:
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None and (not isinstance(text, int) or isinstance(text, bool)):
        how = measure.instead(text) or f"write a whole number and a unit, such as {measure.example}"
        raise ValueError(f"{shown(text)} is not a {measure.what}: {how}")
    number, unit = match.groups() if match else (str(text), "")
    if not unit:
        raise ValueError(f"{shown(text)} has no unit: write {measure.example}, for example")
    factor = measure.units.get(unit.lower())
    if factor is None:
        how = measure.instead(text) or f"use one of {', '.join(measure.units)}"
        raise ValueError(f"{shown(unit)} is not a unit of {measure.what}: {how}")
    return int(number) * factor


def size(text: object) -> int:
    """Bytes of `500M`: powers of 1024, as nginx and Docker count them."""
    value = _split(text, _SIZES)
    if value <= 0:
        raise ValueError("a size must be more than zero")
    if value > MAX_SIZE:
        raise ValueError(f"a size is at most {show_size(MAX_SIZE)}")
    return value


def duration(text: object) -> int:
    """Seconds of `90s`, `15m`, `2h` or `1d`."""
    value = _split(text, _TIMES)
    if value <= 0:
        raise ValueError("a duration must be more than zero")
    if value > MAX_DURATION:
        raise ValueError(f"a duration is at most {show_duration(MAX_DURATION)}")
    return value


def idle(text: object) -> int:
    """Like `duration`; `never` is 0: the service is not put to sleep."""
    if text == "never":
        return 0
    if text is False or (isinstance(text, int | str) and str(text).lower() in _NEVER):
        raise ValueError(f"{shown(text)} is not a duration: write never to keep it awake")
    return duration(text)


def kept(text: object) -> int:
    """Like `duration`; `never` is 0: it is deleted at once."""
    return 0 if text == "never" else duration(text)


def kept_long(text: object) -> int:
    """Like `duration`; `forever` is 0: it is not deleted."""
    return 0 if text == "forever" else duration(text)


def show_size(value: int) -> str:
    """`500M` of 524288000; plain bytes where no unit divides it."""
    for unit, factor in reversed(_SIZE.items()):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit.upper()}"
    return f"{value} bytes"


def show_bytes(value: int) -> str:
    """What there is to fetch or to keep, as people tell it: 148 MB, 3.1 GB."""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{max(1, round(value / 1e6))} MB"


def show_duration(value: int) -> str:
    """`15m` of 900."""
    for unit, factor in reversed(_TIME.items()):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit}"
    return f"{value}s"


_SIZES = _Measure(
    "size",
    "500M",
    _SIZE,
    _words("k", "kb", "kib") | _words("m", "mb", "mib") | _words("g", "gb", "gib") | _words("t", "tb", "tib"),
    show_size,
)
_TIMES = _Measure(
    "duration",
    "30s",
    _TIME,
    _words("s", "sec", "secs", "second", "seconds")
    | _words("m", "min", "mins", "minute", "minutes")
    | _words("h", "hr", "hrs", "hour", "hours")
    | _words("d", "day", "days"),
    show_duration,
)
