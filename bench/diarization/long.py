"""Half an hour of two people: memory, time and errors."""

from collections.abc import Iterator

from bench.diarization import service
from bench.diarization.scene import Scene, joined
from bench.diarization.service import WEIGHTS
from bench.diarization.speakers import rate_of
from bench.report import Figure, Goal
from bench.speech import memory

SHORT, LONG = 300, 1800
"""Seconds: the sample again and again."""


def measure(scene: Scene) -> Iterator[Figure]:
    """Diarizers of their own, so that nothing else is in their memory, and the whole service."""
    length = scene.sample.seconds
    short, long = (joined(name, [scene.sample] * round(of / length)) for name, of in (("5", SHORT), ("30", LONG)))
    peaks, taken = [], []
    for recording in (short, long):
        with service.ours("bench.diarization.opened", WEIGHTS, str(scene.threads)) as diarizer:
            with scene.report.step(f"{recording.seconds / 60:.0f} minutes of two speakers"):
                taken.append(diarizer.transcribe(recording.audio))
            peaks.append(memory.peak(diarizer.pid))
    found = {speaker for _, _, speaker in service.turns(taken[1].text)}
    yield Figure(
        "peak memory of the diarizer, 30 minutes against 5",
        peaks[1] / peaks[0],
        f"resident: {_mb(peaks[1])} against {_mb(peaks[0])}, each once in a process of its own; {len(found)} speakers "
        f"found, diarization error rate {rate_of(scene, long, taken[1]):.3f}, {taken[1].seconds:.0f} s",
        Goal("at most", 1.3),
    )
    with service.running(scene.folder / "long.log") as served:
        with scene.report.step("The same 30 minutes by the whole service"):
            answer = served.transcribe(long.audio, language="en", diarize="true")
        peak = memory.peak(served.pid)
    speakers = {segment.get("speaker") for segment in answer.body["segments"]} - {None}
    note = (
        f"once, {answer.seconds:.0f} s, model loaded before; {len(speakers)} speakers, {len(answer.text.split())} words"
    )
    yield Figure("real-time factor served, 30 minutes with words and speakers", answer.seconds / long.seconds, note)
    yield Figure("peak memory served, 30 minutes with words and speakers (MB)", peak / 1e6, "resident, all stages")


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
