"""Realtime sessions without a socket: formats, turns, and what a session makes of them."""

from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.audio import SAMPLE_RATE
from stt_core.audio.vad import FRAME
from stt_core.engine.protocol import Options, Segment, WindowResult
from stt_core.realtime import codecs
from stt_core.realtime.codecs import RATES, Decoder, Encoding
from stt_core.realtime.session import Decode, Drop, Effect, Send, Session
from stt_core.realtime.settings import SessionSettings
from stt_core.realtime.turns import LONGEST, Began, Ended, Mark, Paused, Resumed, Rules, Settled, Turns

SECOND = SAMPLE_RATE // FRAME
"""Frames."""


@pytest.mark.parametrize(("codec", "table"), [("pcm_mulaw", codecs.ULAW), ("pcm_alaw", codecs.ALAW)])
def test_g711_is_what_everybody_has_it(codec: str, table: codecs.Pcm16) -> None:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8_000, "mono"
    frames = decoder.decode(av.Packet(bytes(range(256))))
    assert np.array_equal(np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]), table)


@given(encoding=st.sampled_from(sorted(RATES)), cuts=st.lists(st.integers(0, 9_000), max_size=9))
def test_how_a_stream_is_cut_changes_nothing(encoding: Encoding, cuts: list[int]) -> None:
    data = np.random.default_rng(0).integers(0, 256, 9_000, dtype=np.uint8).tobytes()
    whole = np.concatenate(list(Decoder(encoding).decode(data)))
    decoder, edges = Decoder(encoding), [0, *sorted(cuts), len(data)]
    parts = [part for first, last in pairwise(edges) for part in decoder.decode(data[first:last])]
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_tone_stays_what_it_is() -> None:
    times = np.arange(48_000) / 24_000
    tone = (8_000 * np.sin(2 * np.pi * 1_000 * times)).astype("<i2")
    heard = np.concatenate(list(Decoder("audio/pcm").decode(tone.tobytes())))
    expected = 8_000 * np.sin(2 * np.pi * 1_000 * np.arange(len(heard)) / SAMPLE_RATE)
    assert np.abs(heard - expected)[100:-100].max() < 2
    assert 2 * SAMPLE_RATE - len(heard) < SAMPLE_RATE // 500


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.integers(1, 40 * SECOND)), max_size=8),
    st.integers(0, 2_000),
    st.integers(0, 2_000),
)
def test_marks_come_in_order_and_parts_are_short(runs: list[tuple[float, int]], prefix: int, silence: int) -> None:
    turns = Turns(Rules(prefix=prefix * 16, silence=silence * 16), 0)
    part: int | None = None
    pending, spoken, ended = False, False, 0
    for index, probability in enumerate([value for value, length in runs for _ in range(length)]):
        for mark in turns.push([probability]):
            match mark:
                case Began(at):
                    assert part is None and at >= ended
                    part, pending = at, False
                case Paused(at) | Settled(at):
                    assert part is not None and not pending and part < at <= (index + 1) * FRAME
                    assert at - part <= LONGEST
                    spoken = False
                    if isinstance(mark, Settled):
                        part = at
                    else:
                        pending = True
                case Resumed():
                    assert probability >= 0.5
                    pending = False
                case Ended(at):
                    assert part is not None and not spoken
                    part, ended, pending = None, at, False
        spoken = spoken or (part is not None and probability >= 0.5)


def voiced(*runs: tuple[float, float]) -> list[float]:
    """Probabilities from (probability, seconds)."""
    return [value for value, seconds in runs for _ in range(round(seconds * SECOND))]


def marks(*runs: tuple[float, float], **rules: int) -> list[Mark]:
    return list(Turns(Rules(**rules), 0).push(voiced(*runs)))


def test_a_pause_is_tried_and_taken_back() -> None:
    found = marks((0, 1), (1, 2), (0, 0.3), (1, 1), (0, 1))
    assert [type(mark) for mark in found] == [Began, Paused, Resumed, Paused, Ended]
    assert isinstance(found[0], Began) and found[0].at == SECOND * FRAME - Rules().prefix
    assert isinstance(found[-1], Ended) and abs(found[-1].at / SAMPLE_RATE - 4.8) < 0.1


def test_a_click_is_no_turn_and_a_low_threshold_still_ends_one() -> None:
    assert marks((0, 1), (1, 0.05), (0, 1)) == []
    assert [type(mark) for mark in Turns(Rules(threshold=0.1), 0).push(voiced((0.2, 1), (0, 1)))] == [
        Began,
        Paused,
        Ended,
    ]


def test_long_speech_is_settled_in_parts() -> None:
    assert [type(mark) for mark in marks((1, 12), (0, 0.3), (1, 2), (0, 1))] == [
        Began,
        Settled,
        Resumed,
        Paused,
        Ended,
    ]
    parts = [mark.at for mark in marks((1, 100)) if isinstance(mark, Settled)]
    assert len(parts) >= 3


class Client:
    """A session, and what it does. Audio is silence: the probabilities say what it is."""

    def __init__(self, settings: SessionSettings | None = None) -> None:
        self.session = Session("sess_1", settings or SessionSettings(), Options())
        self.decoding: dict[int, float] = {}
        self.told: list[dict[str, object]] = []

    def do(self, effects: list[Effect]) -> "Client":
        for effect in effects:
            match effect:
                case Send(event):
                    self.told.append(event)
                case Decode(part, samples, _):
                    self.decoding[part] = len(samples) / 2 / SAMPLE_RATE
                case Drop(part):
                    del self.decoding[part]
        return self

    def hear(self, *runs: tuple[float, float], piece: int = 7) -> "Client":
        values = voiced(*runs)
        for start in range(0, len(values), piece):
            part = values[start : start + piece]
            self.do(self.session.hear(np.zeros(len(part) * FRAME, np.int16), part))
        return self

    def answer(self, part: int, text: str) -> "Client":
        self.do(self.session.heard(part, WindowResult("en", (Segment(0, 1, f" {text}"),))))
        del self.decoding[part]
        return self.do(self.session.answered(part, None))

    def types(self) -> list[str]:
        return [str(event["type"]).rsplit(".", 1)[-1] for event in self.told]

    def texts(self, what: str) -> list[object]:
        key = {"delta": "delta", "completed": "transcript"}[what]
        return [event[key] for event in self.told if str(event["type"]).endswith(f".{what}")]


def test_an_answer_of_a_pause_is_told_when_the_pause_was_the_end() -> None:
    client = Client().hear((1, 2), (0, 0.3))
    assert client.decoding.keys() == {1}
    client.answer(1, "one")
    assert client.types() == ["speech_started"]
    client.hear((0, 0.3))
    assert client.types() == [
        "speech_started",
        "speech_stopped",
        "committed",
        "added",
        "done",
        "delta",
        "completed",
    ]
    assert client.texts("completed") == client.texts("delta") == ["one"]


def test_an_answer_of_a_pause_that_was_none_is_dropped() -> None:
    client = Client().hear((1, 2), (0, 0.3), (1, 1), (0, 0.6))
    assert list(client.decoding) == [2]
    assert client.decoding[2] == pytest.approx(3.5, abs=0.1)
    client.do(client.session.heard(1, WindowResult("en", (Segment(0, 1, " old"),))))
    assert client.answer(2, "new").texts("completed") == ["new"]


def test_parts_are_told_in_order_while_somebody_speaks() -> None:
    client = Client().hear((1, 12), (0, 0.3), (1, 12), (0, 0.3), (1, 2))
    assert list(client.decoding) == [1, 2]
    client.answer(2, "two")
    assert client.texts("delta") == []
    client.answer(1, "one")
    assert client.texts("delta") == ["one", " two"]
    client.hear((0, 1)).answer(3, "three")
    assert client.texts("completed") == ["one two three"]
    assert client.session.waiting == 0


def test_turns_are_told_in_the_order_in_which_they_were_spoken() -> None:
    client = Client().hear((1, 1), (0, 1), (1, 1), (0, 1))
    client.answer(2, "two")
    assert client.texts("delta") == []
    client.answer(1, "one")
    assert client.texts("completed") == ["one", "two"]


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0.05, 15)), max_size=6), st.integers(1, 200))
def test_every_item_is_completed_once_and_no_decoding_is_forgotten(runs: list[tuple[float, float]], piece: int) -> None:
    client = Client().hear(*runs, piece=piece)
    client.do(client.session.end())
    for part in list(client.decoding):
        client.answer(part, f"part{part}")
    items = [event["item_id"] for event in client.told if event["type"] == "input_audio_buffer.committed"]
    done = [event["item_id"] for event in client.told if str(event["type"]).endswith("transcription.completed")]
    assert sorted(map(str, items)) == sorted(map(str, done)) and len(set(items)) == len(items)
    assert client.session.waiting == 0


def test_a_session_keeps_little_of_what_it_heard() -> None:
    client = Client().hear((0, 60), (1, 60), piece=100)
    assert len(client.session._tape._bytes) / 2 / SAMPLE_RATE < 30
