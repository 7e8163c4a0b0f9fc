"""Time and memory: the transcription beside the whisperx library's, the diarizer beside pyannote's, and all stages."""

from collections.abc import Iterator
from functools import partial

from bench.diarization import service
from bench.diarization.scene import Recording, Scene, joined
from bench.diarization.service import Answer
from bench.diarization.speakers import rate_of
from bench.report import Figure, Goal
from bench.speech import memory
from bench.speech.figures import middle, span
from bench.speech.scene import in_turns
from bench.warm import Timed

SECONDS = 180
ROUNDS = 3
SAMPLES = 4
"""Times that the sample is repeated."""
CONVERSATIONS = 3
"""Joined to one recording, of voices and of people."""


def transcription(scene: Scene) -> Iterator[Figure]:
    """The service without word times and speakers, against the library."""
    audio = scene.speech(SECONDS)

    def ours(response_format: str) -> Timed:
        answer = scene.served.transcribe(audio, language="en", align="false", response_format=response_format)
        return Timed(answer.seconds, answer.text)

    with scene.report.step(f"{SECONDS} s of speech, {ROUNDS} times by each"):
        sides = (partial(scene.whisperx.transcribe, audio), partial(ours, "text"), partial(ours, "json"))
        theirs, text, segments = in_turns(ROUNDS, *sides)
    same = "the same CTranslate2 model, int8, batch 8, beam 5 and threads; Silero in both, as its own is fetched from"
    yield Figure(
        f"transcription, {SECONDS} s of speech: served against the whisperx library (throughput ratio)",
        middle(theirs) / middle(text),
        f"median of {ROUNDS} in turns, {span(theirs)} against {span(text)}; the text alone, as the library decodes it; "
        f"{same} the network when it is loaded",
        Goal("at least", 0.95),
    )
    yield Figure(
        "the same with the times of segments, which the library does not have (throughput ratio)",
        middle(theirs) / middle(segments),
        f"{span(segments)}; each segment's two times are decoded as well",
    )


def diarizers(scene: Scene) -> Iterator[Figure]:
    """The open diarizer against pyannote.audio's pipeline with the same weights."""
    conversations = joined("joined", _spread(scene))
    for what, recording in (
        (f"the sample {SAMPLES} times", joined("repeated", [scene.sample] * SAMPLES)),
        (f"{CONVERSATIONS} conversations joined", conversations),
    ):
        with scene.report.step(f"{what}, {ROUNDS} times by each"):
            sides = (scene.pipeline, scene.open)
            theirs, own = in_turns(ROUNDS, *(partial(side.transcribe, recording.audio) for side in sides))
        rates = [rate_of(scene, recording, timed[0]) for timed in (theirs, own)]
        yield Figure(
            f"diarization, {what}: open against pyannote.audio's pipeline (throughput ratio)",
            middle(theirs) / middle(own),
            f"median of {ROUNDS} in turns, {span(theirs)} against {span(own)} for {recording.seconds:.0f} s; "
            f"diarization error rate {rates[0]:.3f} against {rates[1]:.3f}; same weights, threads and batches",
            Goal("at least", 2.0),
        )
        yield Figure(
            f"real-time factor of the open diarizer, {what}", middle(own) / recording.seconds, "its process alone"
        )


def _spread(scene: Scene) -> list[Recording]:
    """One conversation of each kind, of three speakers at most."""
    few = [one for one in scene.conversations if one.speakers < 4]
    return [next(one for one in few if one.part == part) for part in dict.fromkeys(one.part for one in few)]


def stages(scene: Scene) -> Iterator[Figure]:
    """What each stage adds to the time and the memory of a service that has loaded nothing but its model."""
    audio = scene.speech(SECONDS)
    asked = {
        "transcription": {"align": "false"},
        "transcription and word times": {},
        "transcription, word times and speakers": {"diarize": "true"},
    }
    answers: dict[str, tuple[Answer, int]] = {}
    with (
        service.running(scene.folder / "stages.log") as served,
        scene.report.step(f"{SECONDS} s of speech with one stage more each time"),
    ):
        for what, options in asked.items():
            memory.forget(served.pid)
            served.transcribe(scene.sample.audio, language="en", **options)  # what loads the stage
            answers[what] = served.transcribe(audio, language="en", **options), memory.peak(served.pid)
    for what, (answer, peak) in answers.items():
        note = f"once, {answer.seconds:.1f} s for {SECONDS} s of speech"
        yield Figure(f"real-time factor served: {what}", answer.seconds / SECONDS, note)
        yield Figure(
            f"peak memory served: {what} (MB)", peak / 1e6, "resident; a stage is loaded when it is first wanted"
        )
