"""Which aligner a language gets."""

from collections.abc import Mapping
from pathlib import Path

from stt_core.engine.modeldir import verified
from stt_core.errors import StartError
from stt_speakers.alignment.attention import Attention
from stt_speakers.alignment.pocketsphinx import PocketSphinx
from stt_speakers.alignment.protocol import Aligner, AlignmentUnavailable
from stt_speakers.alignment.wav2vec2 import Wav2Vec2


class Aligners:
    """One for each language, loaded when it is first wanted and then kept."""

    def __init__(self, models_dir: Path, align_models: Mapping[str, str], device: str) -> None:
        """align_models: language -> name of a wav2vec2 model in the folder of models."""
        self._models_dir = models_dir
        self._align_models = align_models
        self._device = device
        self._loaded: dict[str, Aligner] = {}

    def of(self, language: str) -> Aligner:
        """Raises AlignmentUnavailable where a model is named for the language and is not there whole;
        `instead` is the next best then."""
        if language not in self._loaded:
            name = self._align_models.get(language)
            self._loaded[language] = (
                Wav2Vec2(language, self._folder(name, language), self._device) if name else self.instead(language)
            )
        return self._loaded[language]

    def instead(self, language: str) -> Aligner:
        """The aligner that needs no model of the operator's."""
        kind = PocketSphinx if language == "en" else Attention
        if kind.name not in self._loaded:
            self._loaded[kind.name] = kind()
        return self._loaded[kind.name]

    def chosen(self, language: str) -> str:
        """The name of the aligner that the language gets, as /status says it; nothing is loaded."""
        if name := self._align_models.get(language):
            try:
                self._folder(name, language)
            except AlignmentUnavailable:
                pass
            else:
                return Wav2Vec2.name
        return PocketSphinx.name if language == "en" else Attention.name

    def clear(self) -> None:
        """Put the loaded ones away."""
        self._loaded.clear()

    def _folder(self, name: str, language: str) -> Path:
        try:
            return verified(self._models_dir, name)
        except StartError as error:
            raise AlignmentUnavailable(
                f"Words in {language!r} are not aligned by the model that is set for this language. {error}"
            ) from error
