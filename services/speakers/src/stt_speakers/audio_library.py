"""The speech libraries, importable here and cut off from the network.

torchaudio's newest release is older than torch's: beside a newer torch its native libraries do not load, and
`import torchaudio` fails, though what WhisperX and pyannote.audio need of it (filterbanks, resampling)
is Python. All weights are local files, so nothing may ask a hub or report home.
"""

import os
import sys
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

_ONCE = threading.Lock()
_EXTENSION = "torchaudio._extension"


def prepare() -> None:
    """Call this before whisperx, pyannote.audio or torchaudio is imported; more than once does no harm."""
    with _ONCE:
        _stay_offline()
        # pyannote.audio tells at length that it cannot read files; it is given samples.
        warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
        _import_torchaudio()


def _stay_offline() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    # Whoever imported the hub's library already has had it read the environment.
    setattr(import_module("huggingface_hub.constants"), "HF_HUB_OFFLINE", True)  # noqa: B010


def _import_torchaudio() -> None:
    """With its native libraries where they load, as they do beside the torch they were built for."""
    try:
        import_module("torchaudio")
    except (OSError, RuntimeError):  # a symbol is missing; it was built for another CUDA
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules[_EXTENSION] = _without_libraries()
        import_module("torchaudio")


def _without_libraries() -> ModuleType:
    """torchaudio's own module about its native libraries, as it is in a build that has none."""
    module = ModuleType(_EXTENSION)
    module.__dict__.update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=_unavailable)
    return module


def _unavailable(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise RuntimeError(f"torchaudio's {function.__name__} needs its native libraries, which do not load.")

    return refuse
