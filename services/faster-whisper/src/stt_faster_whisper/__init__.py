"""The faster-whisper service: Whisper by CTranslate2."""

import stt_ctranslate2  # noqa: F401  (before all others: it says how long OpenMP's threads spin)
