"""More requests than there is room for, and an end in the midst of them."""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from toy import Toy

from stt_testing import sounds
from stt_testing.service import DEADLINE, Service, in_process, in_thread, until

QUEUE = 16
CROWD = 24
COMMAND = [sys.executable, str(Path(__file__).with_name("toy_process.py"))]


def test_two_hundred_at_once_on_a_queue_of_sixteen() -> None:
    toy = Toy()
    toy.gate.clear()
    answered: list[httpx.Response] = []

    async def flood(service: Service) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=DEADLINE) as client:

            async def one() -> None:
                answered.append(
                    await client.post(
                        f"{service.url}/v1/audio/transcriptions", files={"file": ("a.wav", sounds.speech())}
                    )
                )
                if len(answered) == 200 - QUEUE:  # the rest has places, and waits
                    toy.gate.set()

            await asyncio.gather(*[one() for _ in range(200)])

    with in_thread(toy, "toy/model", queue=QUEUE) as service:
        asyncio.run(flood(service))
        until(lambda: service.queued() == 0, "every place is free again")
        assert service.metric('stt_requests_total{route="/v1/audio/transcriptions",status="429"}') == 184
    assert sorted(answer.status_code for answer in answered) == [200] * QUEUE + [429] * (200 - QUEUE)
    for answer in answered:
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        else:
            assert answer.json()["usage"]["seconds"] == 11


def test_sigterm_under_load_loses_no_accepted_request(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    # A collector that is not there must cost nothing either.
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    environment = {"STT_QUEUE": str(QUEUE), "TOY_GATE": str(gate), **nobody}
    with in_process(COMMAND, environment, "toy/model", tmp_path / "log") as (service, child):
        with ThreadPoolExecutor(CROWD) as pool:
            early = [pool.submit(service.post, sounds.speech()) for _ in range(CROWD)]
            until(lambda: sum(future.done() for future in early) == CROWD - QUEUE, "the rest is refused")
            assert service.queued() == QUEUE
            child.send_signal(signal.SIGTERM)
            until(lambda: service.get("/status").json()["state"] == "stopping", "it stops")
            late = [service.post(sounds.speech()) for _ in range(4)]
            gate.touch()
        assert child.wait(timeout=DEADLINE) == 0
    answers = [future.result() for future in early]
    assert sorted(answer.status_code for answer in answers) == [200] * QUEUE + [429] * (CROWD - QUEUE)
    assert {answer.json()["usage"]["seconds"] for answer in answers if answer.status_code == 200} == {11}
    assert [answer.status_code for answer in late] == [503] * 4
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in late)
