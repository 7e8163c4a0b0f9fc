"""A session whose service stops, and one whose client does not wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import websockets.exceptions
from toy import Toy

from stt_core.kind import Kind
from stt_core.server import Server, process
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service, at_work, in_thread, until
from stt_testing.talk import raw, talk

SPEECH = raw(sounds.wav(sounds.samples(sounds.speech())[: 2 * sounds.RATE]))


@contextmanager
def running(toy: Toy) -> Iterator[tuple[Service, Server]]:
    settings = Settings(port=0, model="toy/model")
    with process(Kind("Realtime", lambda: toy), settings) as server, at_work(server):
        try:
            service = Service(f"http://127.0.0.1:{server.listener.getsockname()[1]}", "toy/model")
            until(lambda: service.get("/ready").status_code == 200, "ready")
            yield service, server
        finally:
            toy.gate.set()


def test_a_service_that_stops_finishes_what_was_said() -> None:
    toy = Toy()
    with running(toy) as (service, server), talk(service) as session:
        toy.gate.clear()
        session.say(SPEECH)
        session.until(lambda event: event["type"] == "input_audio_buffer.speech_started")
        server.stop()
        session.until(lambda event: event["type"] == "input_audio_buffer.committed")
        toy.gate.set()
        assert session.final()["transcript"].startswith("second0")
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            session.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012


def test_a_client_that_leaves_takes_its_work_with_it() -> None:
    toy = Toy()
    with in_thread(toy, "toy/model") as service:
        toy.gate.clear()
        with talk(service) as session:
            session.update(turn_detection=None)
            for _ in range(3):
                session.say(SPEECH)
                session.send({"type": "input_audio_buffer.commit"})
            until(lambda: service.metric("stt_waiting_windows") == 2, "two wait for the first forward")
        until(lambda: service.metric("stt_waiting_windows") == 0, "the others are given up")
        toy.gate.set()
        assert service.post(sounds.speech()).status_code == 200
        assert len(toy.batches) == 2


def test_who_speaks_faster_than_is_decoded_has_to_wait() -> None:
    toy = Toy()
    with in_thread(toy, "toy/model") as service, talk(service) as session:
        toy.gate.clear()
        said = SPEECH + raw(sounds.wav(np.zeros(sounds.RATE)))
        speaker = threading.Thread(target=session.say, args=(said * 12, 48_000), daemon=True)
        speaker.start()
        until(lambda: toy.batches and service.metric("stt_waiting_windows") >= 2, "some of it waits")
        toy.gate.set()
        texts = [session.final()["transcript"] for _ in range(12)]
        speaker.join()
        assert all(texts)
        assert [len(batch) for batch in toy.batches if len(batch) > 4] == []
