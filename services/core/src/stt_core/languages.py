"""The languages that Whisper knows, and every name that clients have for them."""

import re
from collections.abc import Sequence

from stt_core.errors import BadRequest

AUTO = "auto"
"""What many clients send for a language that is to be detected."""

_WHISPERS = """
af afr afrikaans, am amh amharic, ar ara arabic, as asm assamese, az aze azerbaijani, ba bak bashkir,
be bel belarusian, bg bul bulgarian, bn ben bengali, bo bod/tib tibetan, br bre breton, bs bos bosnian,
ca cat catalan, cs ces/cze czech, cy cym/wel welsh, da dan danish, de deu/ger german, el ell/gre greek,
en eng english, es spa spanish, et est estonian, eu eus/baq basque, fa fas/per persian, fi fin finnish,
fo fao faroese, fr fra/fre french, gl glg galician, gu guj gujarati, ha hau hausa, haw haw hawaiian,
he heb hebrew, hi hin hindi, hr hrv croatian, ht hat haitian creole, hu hun hungarian, hy hye/arm armenian,
id ind indonesian, is isl/ice icelandic, it ita italian, ja jpn japanese, jw jav javanese,
ka kat/geo georgian, kk kaz kazakh, km khm khmer, kn kan kannada, ko kor korean, la lat latin,
lb ltz luxembourgish, ln lin lingala, lo lao lao, lt lit lithuanian, lv lav latvian, mg mlg malagasy,
mi mri/mao maori, mk mkd/mac macedonian, ml mal malayalam, mn mon mongolian, mr mar marathi,
ms msa/may malay, mt mlt maltese, my mya/bur myanmar, ne nep nepali, nl nld/dut dutch, nn nno nynorsk,
no nor norwegian, oc oci occitan, pa pan punjabi, pl pol polish, ps pus pashto, pt por portuguese,
ro ron/rum romanian, ru rus russian, sa san sanskrit, sd snd sindhi, si sin sinhala, sk slk/slo slovak,
sl slv slovenian, sn sna shona, so som somali, sq sqi/alb albanian, sr srp serbian, su sun sundanese,
sv swe swedish, sw swa swahili, ta tam tamil, te tel telugu, tg tgk tajik, th tha thai, tk tuk turkmen,
tl tgl tagalog, tr tur turkish, tt tat tatar, uk ukr ukrainian, ur urd urdu, uz uzb uzbek,
vi vie vietnamese, yi yid yiddish, yo yor yoruba, zh zho/chi chinese, yue yue cantonese
"""
"""Code, codes of ISO 639-2 (T/B where there are two), and the English name that OpenAI's API answers with."""

TODAY = {"jv": "jw", "nb": "no"}
"""Codes of ISO 639-1 for what Whisper has by another."""

_OTHERS = """
iw he, in id, ji yi, mo ro, mol ro, scc sr, scr hr, nob no, fil tl, cmn zh, zh-yue yue, arb ar, pes fa,
ekk et, lvs lv, zsm ms, swh sw, khk mn, npi ne, plt mg, uzn uz, azj az, als sq, ydd yi, burmese my,
valencian ca, flemish nl, haitian ht, letzeburgesch lb, pushto ps, panjabi pa, moldavian ro, moldovan ro,
sinhalese si, castilian es, mandarin zh
"""
"""Codes that ISO has withdrawn; those of the one language that is meant by a code of several, as Mandarin is
by Chinese; and the names that openai-whisper takes beside its own."""


def _entries(text: str) -> list[list[str]]:
    return [entry.split(maxsplit=2) for entry in text.replace("\n", " ").split(",") if entry.strip()]


NAMES: dict[str, str] = {code: name.strip() for code, _, name in _entries(_WHISPERS)}
"""Whisper's code -> name, lower case."""

CODES: dict[str, str] = (
    {name: code for code, name in NAMES.items()}
    | {three: code for code, both, _ in _entries(_WHISPERS) for three in both.split("/")}
    | {other: code for other, code in _entries(_OTHERS)}
    | TODAY
    | {code: code for code in NAMES}
)
"""Whatever a language is called -> Whisper's code."""


def code(text: str) -> str | None:
    """Whisper's code of what a client means by "en", "EN", "eng", "en-US", "en_US.UTF-8" or "English".

    None when there is no such language.
    """
    key = text.strip().lower()
    if key in CODES:
        return CODES[key]
    parts = re.split(r"[-_.@]", key)
    return CODES.get("-".join(parts[:2])) or CODES.get(parts[0])


def asked(text: str | None, known: Sequence[str], param: str) -> str | None:
    """A model's code for the language that a client asks for; None where it is to be detected.

    known: those of the model. param: what an error is told of. Raises BadRequest.
    """
    if not text or text.strip().lower() in ("", AUTO):
        return None
    return chosen(text, known, param)


def chosen(text: str, known: Sequence[str], param: str) -> str:
    """The same of a language that must be one. Raises BadRequest."""
    found = code(text)
    if found is None or found not in known:
        raise BadRequest(
            f"The model does not know the language {text.strip()[:40]!r}; it knows {', '.join(known)}.",
            param=param,
            code="invalid_value",
        )
    return found


def listed(known: Sequence[str]) -> list[str]:
    """A model's languages for clients that choose from a list: today's codes beside Whisper's own."""
    return [*known, *(today for today, code in TODAY.items() if code in known)]
