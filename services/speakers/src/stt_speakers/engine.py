"""A model that transcribes, and what needs its whole text: exact word times, and who spoke."""

import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import AudioSource
from stt_core.engine.protocol import (
    Capabilities,
    Engine,
    Options,
    Progress,
    Segment,
    SpeakerOptions,
    Transcript,
    Voice,
    Window,
    WindowResult,
)
from stt_core.errors import ApiError, SpeakersUnavailable
from stt_core.scheduling.transcription import GivenUp
from stt_speakers.diarization.protocol import DiarizationUnavailable
from stt_speakers.sound import Sound, decoded
from stt_speakers.stages import Stages

log = logging.getLogger("stt")

NOBODY = "No speakers were identified: the transcript has words, but no voice was found in the recording."


class SpeakerEngine:
    """One model in memory, with the stages that all models share."""

    def __init__(self, model: Engine, stages: Stages) -> None:
        self._model = model
        self._stages = stages

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._model.capabilities, speakers=True, apart=True)

    def load(self, model: str) -> None:
        self._model.load(model)

    def group(self, window: Window) -> Hashable:
        """As the model's. Raises SpeakersUnavailable before anything is done that would be for nothing."""
        speakers = window.options.speakers
        if speakers is not None and speakers.required:
            try:
                self._stages.check()
            except DiarizationUnavailable as error:
                raise SpeakersUnavailable(str(error)) from error
        return self._model.group(_timed(window))

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        if voices := {voice for window in windows for voice in window.options.voices}:
            from stt_speakers.diarization.voices import clip  # slow to import

            for voice in voices:  # one that does not do is said before hours are transcribed for it
                clip(voice)
        return self._model.run([_timed(window) for window in windows])

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        transcript = self._model.finish(audio, results, options, progress)
        aligned = options.word_times and self._stages.aligns
        if not transcript.segments or not (aligned or options.speakers):
            return transcript
        try:
            with decoded(_Watched(audio, transcript.duration, progress)) as sound:
                return self._refined(sound, transcript, options, progress, aligned=aligned)
        finally:
            self._stages.tidy()

    def _refined(
        self, sound: Sound, transcript: Transcript, options: Options, progress: Progress, *, aligned: bool
    ) -> Transcript:
        segments, warnings = transcript.segments, list[str]()
        # The words of a translation were never said.
        if aligned and transcript.language and options.task == "transcribe":
            segments, warnings = self._aligned(sound, segments, transcript.language, progress)
        if options.speakers is not None:
            try:
                segments = self._told_apart(sound, segments, options.speakers, options.voices, progress)
                if all(segment.speaker is None for segment in segments):
                    warnings.append(NOBODY)
            except DiarizationUnavailable as error:
                if options.speakers.required:
                    raise SpeakersUnavailable(str(error)) from error
                warnings.append(str(error))
            except (ApiError, GivenUp):
                raise
            except Exception:
                if options.speakers.required:
                    raise
                log.exception("diarization failed")
                warnings.append("No speakers were identified: diarization failed. See the service's log.")
        if not options.word_times:
            segments = tuple(replace(segment, words=()) for segment in segments)
        return replace(transcript, segments=segments, warnings=tuple(warnings))

    def _aligned(
        self, sound: Sound, segments: Sequence[Segment], language: str, progress: Progress
    ) -> tuple[tuple[Segment, ...], list[str]]:
        """The segments with their words where they are said, and what is to be told of that.

        language: the file's, of segments that have none of their own. Each language has its aligner.
        """
        progress("aligning", 0)
        found: list[Segment] = []
        warnings: list[str] = []
        for spoken, group in groupby(segments, lambda segment: segment.language or language):
            own = list(group)
            aligner, warning = self._stages.aligner(spoken)
            before, share = len(found) / len(segments), len(own) / len(segments)

            def report(part: float, before: float = before, share: float = share) -> None:
                progress("aligning", before + share * part)

            found += aligner.align(sound, own, report)
            warnings += [warning] if warning and warning not in warnings else []
        return tuple(found), warnings

    def _told_apart(
        self,
        sound: Sound,
        segments: Sequence[Segment],
        asked: SpeakerOptions,
        voices: Sequence[Voice],
        progress: Progress,
    ) -> tuple[Segment, ...]:
        """The segments by speaker. Raises DiarizationUnavailable, and BadRequest for a voice's clip."""
        # Slow to import, and wanted only here.
        from stt_speakers.diarization.assign import assigned
        from stt_speakers.diarization.voices import embedded, matched

        progress("diarizing", 0)
        diarizer = self._stages.diarizer()
        known = [(voice.name, embedded(voice, diarizer)) for voice in voices]
        diarization = diarizer.diarize(
            sound, asked.min_speakers, asked.max_speakers, lambda share: progress("diarizing", share)
        )
        return assigned(segments, diarization, matched(diarization, known))


class _Watched:
    """A source that is read once more; `progress` is told, and may end it."""

    def __init__(self, audio: AudioSource, duration: float, progress: Progress) -> None:
        self._audio = audio
        self._whole = duration
        self._progress = progress

    @property
    def duration(self) -> float:
        return self._audio.duration

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        for block in self._audio.blocks():
            self._progress("decoding", self.duration / max(self._whole, 1e-3))
            yield block

    def close(self) -> None:
        self._audio.close()


def _timed(window: Window) -> Window:
    """With word times where speakers are asked for: they are told apart between words."""
    if window.options.speakers is None or window.options.word_times:
        return window
    return replace(window, options=replace(window.options, word_times=True))
