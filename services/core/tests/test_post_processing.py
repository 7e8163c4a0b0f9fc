"""What needs the whole file, and long: it holds up nobody, is seen, and ends when nobody wants it."""

import http.client
import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from toy import ABLE, Toy

from stt_core.audio import AudioFile, AudioSource
from stt_core.engine.loading import Loading
from stt_core.engine.model_cache import ModelCache
from stt_core.engine.protocol import Options, Progress, SpeakerOptions, Transcript, WindowResult
from stt_core.kind import Kind
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.scheduler import Scheduler
from stt_core.scheduling.transcription import GivenUp
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service, in_thread, serving, until


class Slow(Toy):
    """Tells speakers apart once `whole` is set; `busy` are those that it does it for."""

    def __init__(self) -> None:
        super().__init__(replace(ABLE, apart=True))
        self.whole = threading.Event()
        self.busy: list[str] = []
        self.most = 0
        self.given_up: list[str] = []

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        if options.speakers:
            self.busy.append(options.prompt)
            self.most = max(self.most, len(self.busy))
            try:
                progress("diarizing", 0.42)
                while not self.whole.wait(0.01):
                    progress("diarizing", 0.42)
            except GivenUp:
                self.given_up.append(options.prompt)
                raise
            finally:
                self.busy.remove(options.prompt)
            assert sum(len(block) for block in audio.blocks())  # the file is still there
        found = super().finish(audio, results, options, progress)
        return replace(found, warnings=("Half of it\nis a guess.",)) if options.speakers else found


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def service(slow: Slow) -> Iterator[Service]:
    with in_thread(slow, "toy/model") as running:
        try:
            yield running
        finally:
            slow.whole.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_it_holds_up_nobody_and_takes_turns(service: Service, slow: Slow, pool: ThreadPoolExecutor) -> None:
    def ask(name: str) -> httpx.Response:
        return service.post(sounds.speech(), prompt=name, response_format="diarized_json")

    first = pool.submit(ask, "first")
    until(lambda: slow.busy == ["first"], "the first is at it")
    second = pool.submit(ask, "second")
    until(lambda: len(slow.batches) == 2, "the second is heard")
    assert service.post(sounds.speech()).status_code == 200
    assert service.get("/status").json()["stages"] == [{"stage": "diarizing", "share": 0.42}]
    assert not first.done() and not second.done()
    slow.whole.set()
    assert [answer.result().json()["segments"][0]["speaker"] for answer in (first, second)] == ["A", "A"]
    assert slow.most == 1
    assert service.get("/status").json()["stages"] == []


def test_a_stream_tells_how_far_it_is(service: Service, slow: Slow, pool: ThreadPoolExecutor) -> None:
    ask = pool.submit(service.post, sounds.speech(), stream="true", response_format="diarized_json")
    until(lambda: slow.busy, "it is at it")
    slow.whole.set()
    kinds = [block.split('"')[3] if '"' in block else block for block in ask.result().text.split("\n\n")]
    assert kinds == [
        "transcript.text.delta",
        ": diarizing 40%",
        ": warning: Half of it is a guess.",
        "seg_0",
        "transcript.text.done",
        "data: [DONE]",
        "",
    ]


def test_it_ends_when_the_client_hangs_up(service: Service, slow: Slow, pool: ThreadPoolExecutor) -> None:
    request = httpx.Request(
        "POST",
        f"{service.url}/v1/audio/transcriptions",
        files={"file": ("a.wav", sounds.speech())},
        data={"response_format": "diarized_json", "prompt": "left"},
    )
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc)
    connection.request("POST", request.url.path, request.read(), dict(request.headers))
    until(lambda: slow.busy == ["left"], "it is at it")
    connection.close()
    until(lambda: slow.given_up == ["left"] and service.queued() == 0, "it is given up")
    slow.whole.set()
    assert service.post(sounds.speech(), response_format="diarized_json").status_code == 200


def test_an_end_ends_it_too(slow: Slow, pool: ThreadPoolExecutor) -> None:
    impatient = Settings(port=0, model="toy/model", stop_seconds=0)
    with serving(Kind("Slow", lambda: slow), impatient) as service:
        asked = [
            pool.submit(service.post, sounds.speech(), prompt=name, response_format="diarized_json")
            for name in ("a", "b")
        ]
        until(lambda: slow.busy and sum(map(len, slow.batches)) == 2, "one is at it, the other waits for it")
    assert [answer.result().status_code for answer in asked] == [503, 503]
    assert len(slow.given_up) == 1


def test_an_engine_at_work_is_not_put_away() -> None:
    slow, made = Slow(), []

    def make() -> Toy:
        made.append("one more")
        return Toy()

    loading = Loading(slow, "a")
    cache = ModelCache(make, 8, lambda _: 5, measured=False, clock=lambda: 1e9 * len(made))
    scheduler = Scheduler(cache, loading, 4, Metrics())
    loading.start()
    scheduler.start()
    try:
        source = [AudioFile(io.BytesIO(sounds.speech())) for _ in range(3)]
        first = scheduler.submit(source[0], Options(model="a", prompt="a", speakers=SpeakerOptions()))
        until(lambda: slow.busy == ["a"], "it is at it")
        other = scheduler.submit(source[1], Options(model="b"))
        until(lambda: other.waiting, "the other is decoded")
        assert scheduler.submit(source[2], Options(model="a")).answer.result(60).text
        assert not made and not other.answer.done()
        slow.whole.set()
        assert first.answer.result(60).text and other.answer.result(60).text
        assert list(scheduler.loaded) == ["b"]
    finally:
        slow.whole.set()
        scheduler.close()
