"""One client at a time: the service beside the raw library and its peers."""

from collections.abc import Iterator
from functools import partial

from bench.report import Figure, Goal
from bench.speech.figures import middle, span
from bench.speech.scene import WARM_UP, Scene, in_turns

LONG_SECONDS = 180
ROUNDS = 5
PEER_SECONDS = 60
PEER_ROUNDS = 3
SHORT = (0.0, 3.0)
"""Of the recording, in seconds: its first words."""
WORD_ROUNDS = 3


def alone(scene: Scene) -> Iterator[Figure]:
    """Minutes of speech against the library's batched pipeline."""
    (audio,) = scene.speech(LONG_SECONDS)
    library, served = scene.library, scene.served
    with scene.report.step(f"{LONG_SECONDS} s of speech, {ROUNDS} times by the library and {ROUNDS} times served"):
        theirs, ours = in_turns(
            ROUNDS, partial(library.transcribe, audio, batched=True), partial(served.transcribe, audio)
        )
    yield Figure(
        f"one client, {LONG_SECONDS} s of speech: served against the library's batched pipeline (throughput ratio)",
        middle(theirs) / middle(ours),
        f"median of {ROUNDS} in turns, {span(theirs)} against {span(ours)}",
        Goal("at least", 0.98),
    )
    yield Figure("real-time factor served, one client", middle(ours) / LONG_SECONDS, "wall time by length of the audio")


def peers(scene: Scene) -> Iterator[Figure]:
    """A minute of speech by everybody."""
    (audio,) = scene.speech(PEER_SECONDS)
    sides = {
        "served": partial(scene.served.transcribe, audio),
        "faster-whisper, batched": partial(scene.library.transcribe, audio, batched=True),
        "faster-whisper, unbatched": partial(scene.library.transcribe, audio, batched=False),
        "faster-whisper-server": partial(scene.faster_whisper_server.transcribe, audio),
        "wyoming-faster-whisper": partial(scene.wyoming.transcribe, audio),
    }
    original = partial(scene.openai_whisper.transcribe, audio)
    with scene.report.step(f"{PEER_SECONDS} s of speech, {PEER_ROUNDS} times by each of {', '.join(sides)}"):
        taken = dict(zip(sides, in_turns(PEER_ROUNDS, *sides.values()), strict=True))
    with scene.report.step("The same once by openai-whisper"):
        taken["openai-whisper"] = [original()]
    ours = taken.pop("served")
    for name, theirs in taken.items():
        yield Figure(
            f"{PEER_SECONDS} s of speech: served against {name} (throughput ratio)",
            middle(theirs) / middle(ours),
            f"median of {len(theirs)}, {span(theirs)} against {span(ours)}; {HOW[name]}",
        )


HOW = {
    "faster-whisper, batched": "BatchedInferencePipeline, batch 8",
    "faster-whisper, unbatched": "WhisperModel.transcribe",
    "faster-whisper-server": "0.0.3 of PyPI, batch 8, by the same client",
    "wyoming-faster-whisper": "Home Assistant's server, by its own protocol",
    "openai-whisper": "OpenAI's implementation in float32 with the same weights; it has no VAD",
}


def short(scene: Scene) -> Iterator[Figure]:
    """A few words."""
    (audio,) = scene.pieces(WARM_UP, SHORT)
    library, served = scene.library, scene.served
    with scene.report.step(f"A clip of {SHORT[1]:g} s, {ROUNDS} times by each"):
        theirs, batched, ours = in_turns(
            ROUNDS,
            partial(library.transcribe, audio, batched=False),
            partial(library.transcribe, audio, batched=True),
            partial(served.transcribe, audio),
        )
    yield Figure(
        f"a clip of {SHORT[1]:g} s alone: served against the library (throughput ratio)",
        middle(theirs) / middle(ours),
        f"median of {ROUNDS} in turns, {span(theirs)} against {span(ours)}; the library batched: {span(batched)}",
    )


def words(scene: Scene) -> Iterator[Figure]:
    """What word times cost."""
    (audio,) = scene.speech(PEER_SECONDS)
    verbose = partial(scene.served.transcribe, audio, response_format="verbose_json")
    library = partial(scene.library.transcribe, audio, batched=True)
    with scene.report.step(f"{PEER_SECONDS} s of speech with and without word times, {WORD_ROUNDS} times each"):
        plain, timed, their_plain, their_timed = in_turns(
            WORD_ROUNDS,
            partial(verbose, timestamp_granularities=["segment"]),
            partial(verbose, timestamp_granularities=["word", "segment"]),
            partial(library, without_timestamps=False),
            partial(library, without_timestamps=False, word_timestamps=True),
        )
    theirs = middle(their_timed) / middle(their_plain)
    yield Figure(
        "cost of word times (wall time with against without)",
        middle(timed) / middle(plain),
        f"median of {WORD_ROUNDS} in turns, {span(timed)} against {span(plain)}, verbose_json; library: {theirs:.2f}",
    )
