"""The service: `python -m stt_faster_whisper`; with the argument `openapi` it prints its OpenAPI document."""

import sys

from stt_core import cores
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_ctranslate2.engine import FasterWhisper

TITLE = "Greffier: Whisper"
DEFAULTS = Settings(port=8001, model="Systran/faster-whisper-small")


def kind(settings: Settings) -> Kind:
    threads = cores.available()
    return Kind(
        TITLE,
        lambda: FasterWhisper(settings.models_dir, settings.device, settings.compute_type, threads),
    )


if __name__ == "__main__":
    main(kind, sys.argv[1:], DEFAULTS)
