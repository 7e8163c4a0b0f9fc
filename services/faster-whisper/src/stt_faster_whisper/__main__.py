"""The service: `python -m stt_faster_whisper`; with the argument `openapi` it prints its OpenAPI document."""

import sys

from stt_core import cores
from stt_core.server import main
from stt_core.settings import Settings
from stt_faster_whisper.engine import FasterWhisper

TITLE = "Greffier: Whisper"


def engine(settings: Settings) -> FasterWhisper:
    return FasterWhisper(settings.models_dir, settings.device, settings.compute_type, cores.available())


if __name__ == "__main__":
    main(engine, TITLE, sys.argv[1:])
