"""Which models onnx-asr reads, and what each can do. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

EUROPEAN = (
    *("bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it"),
    *("lv", "lt", "mt", "pl", "pt", "ro", "ru", "sk", "sl", "es", "sv", "uk"),
)
"""The 25 languages of Parakeet TDT 0.6B v3 and of Canary 1B v2, by their model cards."""
CENTRAL_ASIAN = ("en", "kk", "ru", "uz")


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the hub.

    name: what onnx-asr calls its kind.
    languages: that it transcribes.
    timed: it tells when each token was heard.
    told: it must be told the language; without it, it takes all for English.
    translation: into English.
    """

    name: str
    languages: tuple[str, ...]
    timed: bool = True
    told: bool = False
    translation: bool = False


MODELS: Mapping[str, Known] = {
    "istupakov/parakeet-tdt-0.6b-v3-onnx": Known("nemo-conformer-tdt", EUROPEAN),
    "istupakov/parakeet-tdt-0.6b-v2-onnx": Known("nemo-conformer-tdt", ("en",)),
    "istupakov/parakeet-rnnt-0.6b-onnx": Known("nemo-conformer-rnnt", ("en",)),
    "istupakov/parakeet-ctc-0.6b-onnx": Known("nemo-conformer-ctc", ("en",)),
    "istupakov/canary-1b-v2-onnx": Known("nemo-conformer-aed", EUROPEAN, timed=False, told=True, translation=True),
    "istupakov/stt_ru_fastconformer_hybrid_large_pc_onnx": Known("nemo-conformer-rnnt", ("ru",)),
    "istupakov/gigaam-v3-onnx": Known("gigaam-v3-e2e-rnnt", ("ru",)),
    "istupakov/gigaam-multilingual-ctc-onnx": Known("gigaam-multilingual-ctc", CENTRAL_ASIAN),
    "alphacep/vosk-model-ru": Known("vosk", ("ru",)),
    "alphacep/vosk-model-small-ru": Known("vosk", ("ru",)),
}
"""By the hub's name. services/parakeet/service.yml says which files of each are fetched."""

DEFAULT = "istupakov/parakeet-tdt-0.6b-v3-onnx"

CALLED = {
    "nemo-parakeet-tdt-0.6b-v3": "istupakov/parakeet-tdt-0.6b-v3-onnx",
    "nemo-parakeet-tdt-0.6b-v2": "istupakov/parakeet-tdt-0.6b-v2-onnx",
    "nemo-parakeet-rnnt-0.6b": "istupakov/parakeet-rnnt-0.6b-onnx",
    "nemo-parakeet-ctc-0.6b": "istupakov/parakeet-ctc-0.6b-onnx",
    "nemo-canary-1b-v2": "istupakov/canary-1b-v2-onnx",
    "nemo-fastconformer-ru-rnnt": "istupakov/stt_ru_fastconformer_hybrid_large_pc_onnx",
    "gigaam-v3-e2e-rnnt": "istupakov/gigaam-v3-onnx",
    "gigaam-multilingual-ctc": "istupakov/gigaam-multilingual-ctc-onnx",
}
"""What onnx-asr calls them."""


def known_as(model: str) -> Known:
    """What is known of a model. One by another name, which a folder was given for, is Parakeet TDT v3."""
    return MODELS.get(model) or MODELS[DEFAULT]
