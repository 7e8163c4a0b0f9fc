"""Wyoming beside the queue: places, clients that leave, the end; and events that are none."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import Toy
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_write_event

from stt_core.errors import BadRequest, StartError
from stt_core.kind import Kind
from stt_core.server import process
from stt_core.settings import Settings, from_environment
from stt_core.wyoming import events
from stt_core.wyoming.server import CONNECTIONS
from stt_testing import sounds
from stt_testing.contract.wyoming import *  # noqa: F403
from stt_testing.contract.wyoming import spoken, talk, text, utterance
from stt_testing.service import DEADLINE, QUEUE, Service, at_work, in_thread, until


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Toy, Service]]:
    toy = Toy()
    with in_thread(toy, "toy/model") as running:
        try:
            yield toy, running
        finally:
            toy.gate.set()


@pytest.fixture
def toy(shared: tuple[Toy, Service]) -> Toy:
    shared[0].batches.clear()
    return shared[0]


@pytest.fixture
def service(shared: tuple[Toy, Service]) -> Service:
    return shared[1]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_a_full_queue_is_an_error_and_a_place_is_taken_like_any_other(
    service: Service, toy: Toy, pool: ThreadPoolExecutor
) -> None:
    toy.gate.clear()
    try:
        first = pool.submit(talk, service, utterance(spoken()), "transcript-stop")
        until(lambda: service.queued() == 1, "the first has a place")
        waiting = [pool.submit(service.post, sounds.speech()) for _ in range(QUEUE - 1)]
        until(lambda: service.queued() == QUEUE, "the queue is full")
        (refused,) = talk(service, utterance(spoken()))
        assert (refused.type, refused.data["code"]) == ("error", "queue_full")
    finally:
        toy.gate.set()
    assert text(first.result()) and all(future.result().status_code == 200 for future in waiting)
    until(lambda: service.queued() == 0, "every place is free again")


def test_names_and_terms_are_expected_words(service: Service, toy: Toy) -> None:
    asked = {"transcript_names": ["Ines"], "transcript_terms": ["fuse"]}
    talk(service, utterance(spoken(), **asked), "transcript-stop")
    assert toy.asked and toy.asked.hotwords == "Ines, fuse"


def test_a_client_that_leaves_is_given_up(service: Service, toy: Toy) -> None:
    async def leave() -> None:
        async with AsyncTcpClient("127.0.0.1", service.wyoming) as client:
            for one in utterance(spoken()):
                await client.write_event(one.event())
            await asyncio.to_thread(until, lambda: toy.batches, "its first forward runs")

    toy.gate.clear()
    try:
        asyncio.run(leave())
        until(lambda: service.queued() == 0, "it is given up")
    finally:
        toy.gate.set()


def test_more_clients_than_there_may_be_are_told_so(service: Service) -> None:
    async def crowd() -> Event | None:
        clients = [AsyncTcpClient("127.0.0.1", service.wyoming) for _ in range(CONNECTIONS)]
        for client in clients:
            await client.connect()
            await client.write_event(Event("describe"))
            assert (await client.read_event()) is not None
        async with AsyncTcpClient("127.0.0.1", service.wyoming, DEADLINE, DEADLINE) as one:
            refused = await one.read_event()
        for client in clients:
            await client.disconnect()
        return refused

    refused = asyncio.run(crowd())
    assert refused is not None and refused.data["code"] == "queue_full"


def test_whoever_calls_early_waits_and_whoever_waits_in_the_end_is_answered(pool: ThreadPoolExecutor) -> None:
    go = threading.Event()

    class Slow(Toy):
        def load(self, model: str) -> None:
            assert go.wait(60)

    toy = Slow()
    toy.gate.clear()
    try:
        settings = Settings(port=0, model="toy/slow", wyoming_port=0)
        with process(Kind("Slow", lambda: toy), settings) as server, at_work(server):
            assert server.wyoming
            service = Service("", "toy/slow", server.wyoming.getsockname()[1])
            early = pool.submit(talk, service, utterance(spoken()), "transcript-stop")
            go.set()
            until(lambda: toy.batches, "the first forward runs")
            server.stop()
            (refused,) = talk(service, utterance(spoken()))
            assert refused.data["code"] == "not_ready"
            toy.gate.set()
            assert text(early.result())
    finally:
        go.set()
        toy.gate.set()


def test_a_port_that_is_taken_is_a_sentence(service: Service) -> None:
    settings = from_environment({"STT_PORT": "0", "STT_WYOMING_PORT": str(service.wyoming)})
    with (
        pytest.raises(StartError, match="set STT_WYOMING_HOST and STT_WYOMING_PORT"),
        process(Kind("Second", Toy), settings),
    ):
        pass


def read(raw: bytes) -> list[Event | BadRequest]:
    """Every event of some bytes, and what is wrong with the rest."""

    async def all_of_them() -> list[Event | BadRequest]:
        reader = asyncio.StreamReader(limit=events.LINE_BYTES)
        reader.feed_data(raw)
        reader.feed_eof()
        found: list[Event | BadRequest] = []
        try:
            while (event := await events.read(reader)) is not None:
                found.append(event)
        except BadRequest as error:
            found.append(error)
        return found

    return asyncio.run(all_of_them())


class Sink:
    """As much of a StreamWriter as writing an event takes."""

    def __init__(self) -> None:
        self.raw = b""

    def write(self, data: bytes) -> None:
        self.raw += data

    def writelines(self, lines: Iterator[bytes]) -> None:
        self.raw += b"".join(lines)

    async def drain(self) -> None:
        pass


names = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | names
values = st.recursive(scalars, lambda one: st.lists(one, max_size=3))
data = st.dictionaries(names, values, max_size=3)


@given(st.lists(st.tuples(names, data, st.binary(max_size=99)), max_size=3))
def test_every_event_that_is_written_is_read(said: list[tuple[str, dict[str, object], bytes]]) -> None:
    sink = Sink()
    for kind, data, payload in said:
        asyncio.run(async_write_event(Event(kind, data, payload), sink))  # type: ignore[arg-type]
    found = read(sink.raw)
    assert [(e.type, e.data, e.payload) for e in found if isinstance(e, Event)] == said


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["type", "data", "data_length", "payload_length"]), values | st.integers(0, 2**40)
    ).map(lambda head: json.dumps(head).encode() + b"\n")
    | st.integers(1, 2 * events.LINE_BYTES).map(lambda depth: b"[" * depth + b"\n")
)
def test_what_is_no_event_is_a_sentence_or_the_end(raw: bytes) -> None:
    for found in read(raw):
        assert isinstance(found, Event) or found.message.endswith(".")
