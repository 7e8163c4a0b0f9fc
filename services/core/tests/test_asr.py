"""whisper-asr-webservice's paths: every output, and how much of a file is heard for its language."""

import json
from collections.abc import Sequence

from toy import Toy

from stt_core.engine.protocol import Segment, Transcript, Window, WindowResult
from stt_core.http import asr as paths
from stt_core.output.subtitles import Limits
from stt_testing import sounds
from stt_testing.contract.asr import asr
from stt_testing.service import in_thread, until


class Once(Toy):
    """Every forward but the first waits for the gate."""

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        results = super().run(windows)
        self.gate.clear()
        return results


def test_a_language_is_told_by_the_beginning_of_a_file() -> None:
    toy = Once()
    with in_thread(toy, "toy/model") as service:
        try:
            found = asr(service, sounds.repeated(9), "/detect-language")
            assert found.json()["language_code"] == "en"
            until(lambda: service.queued() == 0, "the rest is given up")
            assert sum(len(batch) for batch in toy.batches) < 4
        finally:
            toy.gate.set()


def test_every_output() -> None:
    segments = (Segment(0.5, 2.0004, " One\ttwo", speaker="A"), Segment(2.5, 4.0, " three."))
    transcript = Transcript("en", 5.0, segments)

    def rendered(output: paths.Output) -> str:
        return paths.rendered(transcript, output, Limits(), worded=False)

    assert rendered("txt") == "[SPEAKER_00]: One two\nthree.\n"
    assert rendered("tsv") == "start\tend\ttext\n500\t2000\t[SPEAKER_00]: One two\n2500\t4000\tthree.\n"
    assert rendered("srt").startswith("1\n00:00:00,500 --> 00:00:02,000\n[SPEAKER_00]: One two\n\n2\n")
    assert rendered("vtt").startswith("WEBVTT\n\n00:00:00.500 --> ")
    body = json.loads(rendered("json"))
    assert [segment.get("speaker") for segment in body["segments"]] == ["SPEAKER_00", None]
    assert body["text"] == " One\ttwo three." and body["segments"][0]["words"] is None
