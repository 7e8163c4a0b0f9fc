"""Many requests at once, over HTTP, with an engine whose forwards are held by hand."""

import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from toy import Toy, heard

from stt_core.audio import AudioFile
from stt_core.audio.vad import VoiceDetector
from stt_core.engine.protocol import Capabilities, VadOptions, Window, WindowResult
from stt_core.kind import Kind
from stt_core.scheduling.windows import windows
from stt_core.server import process
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import QUEUE, Service, at_work, in_thread, until


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def service(toy: Toy) -> Iterator[Service]:
    with in_thread(toy, "toy/model") as running:
        try:
            yield running
        finally:
            toy.gate.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_a_full_queue_is_429_and_nobody_is_lost(service: Service, toy: Toy, pool: ThreadPoolExecutor) -> None:
    toy.gate.clear()
    waiting = [pool.submit(service.post, sounds.speech()) for _ in range(QUEUE)]
    until(lambda: service.queued() == QUEUE, "the queue is full")
    refused = service.post(sounds.speech())
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "queue_full"
    toy.gate.set()
    assert [future.result().status_code for future in waiting] == [200] * QUEUE
    until(lambda: service.queued() == 0, "every place is free again")


def test_windows_of_several_requests_share_a_forward(service: Service, toy: Toy, pool: ThreadPoolExecutor) -> None:
    toy.gate.clear()
    first = pool.submit(service.post, sounds.speech(), prompt="first")
    until(lambda: toy.batches, "the first forward runs")
    others = [pool.submit(service.post, sounds.speech(), prompt=name) for name in ("b", "c")]
    odd = pool.submit(service.post, sounds.speech(), prompt="odd", temperature=0.5)
    until(lambda: service.queued() == 4, "all are in")
    until(lambda: waiting(service) == 3, "all are decoded")
    toy.gate.set()
    assert [future.result().status_code for future in (first, *others, odd)] == [200] * 4
    assert sorted(sorted(map(str, batch)) for batch in toy.batches) == [["b", "c"], ["first"], ["odd"]]


def test_a_short_clip_does_not_wait_for_a_long_file(service: Service, toy: Toy, pool: ThreadPoolExecutor) -> None:
    file = sounds.repeated(9)
    stream = VoiceDetector().stream()
    cut = list(windows(AudioFile(io.BytesIO(file)).blocks(), stream.probabilities, VadOptions()))
    assert len(cut) > 3
    toy.gate.clear()
    long = pool.submit(service.post, file, prompt="long", stream="true")
    until(lambda: toy.batches, "the long one runs")
    short = pool.submit(service.post, sounds.speech(), prompt="short")
    until(lambda: waiting(service) == len(cut), "the short one is decoded, and the rest of the long one")
    toy.gate.set()
    assert short.result().status_code == long.result().status_code == 200
    assert toy.batches[0] == ["long"]
    assert toy.batches[1][0] == "short"


def test_a_request_that_fails_takes_no_other_with_it(service: Service, toy: Toy, pool: ThreadPoolExecutor) -> None:
    toy.gate.clear()
    toy.poison = "bad"
    first = pool.submit(service.post, sounds.speech(), prompt="first")
    until(lambda: toy.batches, "the first forward runs")
    bad = pool.submit(service.post, sounds.speech(), prompt="bad")
    good = pool.submit(service.post, sounds.speech(), prompt="good")
    until(lambda: waiting(service) == 2, "both are decoded")
    toy.gate.set()
    assert first.result().status_code == good.result().status_code == 200
    failed = bad.result()
    assert failed.status_code == 500
    assert failed.json()["error"]["type"] == "server_error"
    assert service.post(sounds.speech(), prompt="beyond words").status_code == 500
    assert service.post(sounds.speech()).status_code == 200


def test_alive_at_once_and_ready_when_the_model_is_loaded() -> None:
    go = threading.Event()

    class Slow(Toy):
        def load(self, model: str) -> None:
            assert go.wait(60)

    settings = Settings(port=0, model="toy/slow")
    with process(Kind("Slow", Slow), settings) as server, at_work(server):
        try:
            service = Service(f"http://127.0.0.1:{server.listener.getsockname()[1]}", "toy/slow")
            assert service.get("/health").status_code == 200
            early = [service.get("/ready"), service.post(sounds.speech())]
            assert [answer.status_code for answer in early] == [503, 503]
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in early)
            assert service.get("/status").json()["state"] == "loading"
            go.set()
            until(lambda: service.get("/ready").status_code == 200, "ready")
        finally:
            go.set()


def test_a_clip_passes_a_long_file_where_the_engine_has_a_second_lane(pool: ThreadPoolExecutor) -> None:
    class TwoLanes(Toy):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, workers=2)

        def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
            if windows[0].options.prompt == "long":
                return super().run(windows)
            return [heard(window) for window in windows]

    toy = TwoLanes()
    with in_thread(toy, "toy/model") as service:
        toy.gate.clear()
        long = pool.submit(service.post, sounds.repeated(9), prompt="long", stream="true")
        until(lambda: toy.batches, "the long one runs")
        clips = [pool.submit(service.post, sounds.speech(), prompt=name) for name in ("a", "b")]
        assert [clip.result().status_code for clip in clips] == [200, 200]
        assert not long.done()
        toy.gate.set()
        assert long.result().status_code == 200
        # The clips had no part in its batches: these grow.
        assert [len(batch) for batch in toy.batches][:2] == [1, 2]


@pytest.mark.parametrize(("patience", "status"), [(60, 200), (0, 503)])
def test_a_stop_answers_what_was_accepted(toy: Toy, pool: ThreadPoolExecutor, patience: int, status: int) -> None:
    settings = Settings(port=0, model="toy/model", stop_seconds=patience)
    with process(Kind("Stop", lambda: toy), settings) as server, at_work(server):
        service = Service(f"http://127.0.0.1:{server.listener.getsockname()[1]}", "toy/model")
        try:
            until(lambda: service.get("/ready").status_code == 200, "ready")
            toy.gate.clear()
            accepted = [pool.submit(service.post, sounds.speech()) for _ in range(3)]
            until(lambda: service.queued() == 3, "all are in")
            server.stop()
            if patience:
                late = [service.get("/ready"), service.post(sounds.speech())]
                assert [answer.status_code for answer in late] == [503, 503]
                assert all(int(answer.headers["retry-after"]) >= 1 for answer in late)
                assert service.get("/health").status_code == 200
                assert service.get("/status").json()["state"] == "stopping"
                toy.gate.set()
            assert [future.result().status_code for future in accepted] == [status] * 3
        finally:
            toy.gate.set()


def waiting(service: Service) -> int:
    return int(service.metric("stt_waiting_windows"))
