"""What of whisper-asr-webservice's paths needs an engine that is held by hand."""

from collections.abc import Sequence

from toy import Toy

from stt_core.contract import sounds
from stt_core.contract.cases_asr import asr
from stt_core.contract.service import in_thread, until
from stt_core.engine import Window, WindowResult


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
