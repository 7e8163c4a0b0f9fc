"""What is said where English is written: numbers and signs as words. Pure."""

import re
import unicodedata
from collections.abc import Iterator

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_SIGNS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "°": "degrees"}
_MONEY = {"$": "dollars", "£": "pounds", "€": "euros"}
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 12
"""Digits of a number that is read as one; a longer one is read digit by digit."""

_PIECE = re.compile(
    r"(?P<money>[$£€])?(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<decimals>\d+))?"
    r"(?P<suffix>st|nd|rd|th|s)?(?![a-z])"
    r"|(?P<letters>[a-z]+(?:'[a-z]+)*)|(?P<digits>\d+)|(?P<sign>[%&+=@°])"
)


def spoken(text: str) -> list[str]:
    """The words to be looked up in a dictionary: lower case, of a-z and the apostrophe.

    Empty for what is not said, or not written in Latin letters.
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [word for found in _PIECE.finditer(letters) for word in _words(found)]


def _words(found: re.Match[str]) -> Iterator[str]:
    if found["letters"]:
        yield found["letters"]
    elif found["sign"]:
        yield _SIGNS[found["sign"]]
    elif found["digits"]:
        yield from _digits(found["digits"])
    else:
        yield from _number(found["number"], found["suffix"] or "")
        if found["money"]:
            yield _MONEY[found["money"]]
        if found["decimals"]:
            yield from (_number(found["decimals"], "") if found["money"] else ("point", *_digits(found["decimals"])))


def _number(written: str, suffix: str) -> Iterator[str]:
    digits = written.replace(",", "")
    value = int(digits[: _LONGEST + 1])
    if len(digits) > _LONGEST or (digits[0] == "0" and len(digits) > 1):
        words = _digits(digits)
    elif len(written) == 4 and (1100 <= value < 2000 or 2010 <= value < 2100):
        words = _year(value)
    else:
        words = _cardinal(value)
    if suffix == "s":
        words[-1] = words[-1][:-1] + "ies" if words[-1].endswith("y") else words[-1] + "s"
    elif suffix:
        words[-1] = _ordinal(words[-1])
    yield from words


def _digits(digits: str) -> list[str]:
    return [_ONES[int(digit)] for digit in digits]


def _year(value: int) -> list[str]:
    century, rest = divmod(value, 100)
    if not rest:
        return [*_cardinal(century), "hundred"]
    return [*_cardinal(century), *(["oh"] if rest < 10 else []), *_cardinal(rest)]


def _cardinal(value: int) -> list[str]:
    for scale, name in _SCALES:
        if value >= scale:
            rest = value % scale
            return [*_cardinal(value // scale), name, *(_cardinal(rest) if rest else [])]
    if value < len(_ONES):
        return [_ONES[value]]
    tens, ones = divmod(value, 10)
    return [_TENS[tens - 2], *([_ONES[ones]] if ones else [])]


def _ordinal(word: str) -> str:
    return _ORDINALS.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")
