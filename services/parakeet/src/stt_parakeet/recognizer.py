"""A model of onnx-asr in memory, and what it hears in one window."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_asr
import onnxruntime

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Samples
from stt_core.errors import StartError
from stt_parakeet import internals
from stt_parakeet.models import Known
from stt_parakeet.words import Token, text_of, tokens

SHORTEST = SAMPLE_RATE // 10
"""Samples below which nobody can have said anything: of less than 160 samples onnx-asr makes no text or an error, of
less than 320 it makes `<unk>`."""
AGAIN = np.zeros(int(0.3 * SAMPLE_RATE), np.float32)
"""Silence to try again with: at certain lengths an assertion of onnx-asr's fails (its issue 138)."""
PROVIDERS = ("CPUExecutionProvider",)


@dataclass(frozen=True, slots=True)
class Heard:
    """tokens: None where the model tells no times; then there is the text alone."""

    text: str
    tokens: tuple[Token, ...] | None
    logprobs: tuple[float, ...]


NOTHING = Heard("", (), ())


class Recognizer:
    """Any thread may use it, one at a time. model: onnx-asr's, which tells times."""

    def __init__(self, folder: Path, known: Known, threads: int) -> None:
        """Reads the model, and has it hear half a second of silence. Raises StartError naming what is wrong."""
        self._known = known
        if known.name.startswith("nemo"):
            _check_config(folder, known.name)
        try:
            self.model = _loaded(folder, known.name, threads)
            internals.check_vocabulary(self.model.asr)
            self.hear(np.zeros(SAMPLE_RATE // 2, np.float32))
        except StartError as error:
            raise StartError(f"The model in {folder} cannot be used: {error} {REMEDY[0].upper()}{REMEDY[1:]}") from None
        except Exception as error:  # onnxruntime and onnx-asr raise whatever they met
            reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            raise StartError(
                f"The model in {folder} cannot be loaded: config.json, the network and vocab.txt do not make one "
                f"together ({reason.rstrip('.')}); {REMEDY}"
            ) from error

    def hear(self, samples: Samples, **options: str) -> Heard:
        """options: of models that are told the language: `language`, and `target_language`."""
        if len(samples) < SHORTEST:
            return NOTHING
        samples = np.ascontiguousarray(samples, np.float32)
        try:
            result = self.model.recognize(samples, sample_rate=SAMPLE_RATE, **options)
        except AssertionError:
            result = self.model.recognize(np.concatenate([samples, AGAIN]), sample_rate=SAMPLE_RATE, **options)
        texts, logprobs = result.tokens or [], result.logprobs
        timed = result.timestamps if self._known.timed else None
        return Heard(
            text_of(texts),
            None if timed is None else tuple(tokens(texts, timed, logprobs)),
            tuple(logprobs or ()),
        )


REMEDY = "fetch it again: `greffier deploy`, or the model-downloader of the compose file."


def _check_config(folder: Path, name: str) -> None:
    """onnx-asr takes one of NeMo's models for what it is told that it is, and one without config.json for another size.

    Raises StartError.
    """
    try:
        kind = json.loads((folder / "config.json").read_bytes())["model_type"]
    except FileNotFoundError:
        raise StartError(f"The model in {folder} is not complete: config.json is missing; {REMEDY}") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise StartError(f"The model in {folder} cannot be read: config.json is damaged; {REMEDY}") from None
    if kind != name:
        raise StartError(f"The model in {folder} is of another kind: {kind}, not {name}; {REMEDY}")


def _loaded(folder: Path, name: str, threads: int) -> Any:
    """onnx-asr opens nine sessions, eight of them to resample: without limits each has threads of its own."""
    quantized = any(folder.rglob("*.int8.onnx"))
    one = _options(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnx_asr.load_model(
            name,
            folder,
            quantization="int8" if quantized else None,
            sess_options=_options(threads),
            providers=PROVIDERS,
            resampler_config={"sess_options": one, "providers": PROVIDERS},
        )
    return model.with_timestamps()


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
