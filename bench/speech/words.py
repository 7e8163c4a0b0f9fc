"""Words as they are compared: without case, marks and ways of spelling, numbers as digits. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
    "dix-sept dix-huit dix-neuf vingt",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove venti",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать "
    "четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
}
"""The names of 0 to 20, by language."""

TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
NTH = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
ORDINALS = {word: number for number, word in enumerate(NTH.split(), 1)}
SPELLINGS = {"mister": "mr", "harbour": "harbor", "grey": "gray", "colour": "color", "ok": "okay"}
"""English has two ways to write these."""


def words(text: str, language: str) -> list[str]:
    """The words of a text. A number is its digits, one a word: `forty-two`, `42` and `four two` are the same."""
    plain = unicodedata.normalize("NFC", text).lower().replace("ё", "е")
    if language == "fr":
        plain = re.sub(r"\bdix[- ](sept|huit|neuf)\b", r"dix-\1", plain)
    if language == "en":
        plain = re.sub(r"\b(\d+)(st|nd|rd|th)\b", r"\1", plain)
    found = re.findall(r"dix-\w+|\d|[^\W\d_]+", plain)
    return list(_english(found)) if language == "en" else list(_numbered(found, language))


def _numbered(found: Sequence[str], language: str) -> Iterator[str]:
    """Only the names of whole numbers up to 20: larger ones are one word or several, as the language has it."""
    numbers = {word: number for number, word in enumerate(UNITS.get(language, "").split())}
    for word in found:
        yield from str(numbers[word]) if word in numbers else (word,)


def _english(found: Sequence[str]) -> Iterator[str]:
    units = {word: number for number, word in enumerate(UNITS["en"].split())}
    place = 0
    while place < len(found):
        word = found[place]
        after = units.get(found[place + 1], 0) if place + 1 < len(found) else 0
        if word in TENS and 0 < after < 10:
            yield from str(TENS[word] + after)
            place += 1
        elif (number := TENS.get(word, units.get(word, ORDINALS.get(word)))) is not None:
            yield from str(number)
        else:
            yield SPELLINGS.get(word, word)
        place += 1


def edits(before: Sequence[str], after: Sequence[str]) -> int:
    """Words to insert, delete or replace (Levenshtein)."""
    row = list(range(len(after) + 1))
    for i, word in enumerate(before, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(after, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]
