"""The contract for GET /v1/realtime. Each function is a test; `service` is the engine's fixture."""

import contextlib
from typing import Any

import numpy as np
import pytest
import websockets.exceptions

from stt_core.engine.protocol import Capabilities
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service
from stt_testing.talk import CODECS, raw, talk

PAUSE = sounds.wav(np.zeros(sounds.RATE * 3 // 2))
ORDER = ["speech_started", "speech_stopped", "committed", "added", "done", "delta", "completed"]


def test_a_session_is_created_and_tells_what_is_in_effect(service: Service, able: Capabilities) -> None:
    steering = {"prompt": "A speech."} if able.prompt else {}
    with talk(service, model="gpt-realtime") as session:
        created = session.seen[0]
        assert created["type"] == "session.created"
        assert created["session"]["type"] == "transcription"
        assert created["session"]["audio"]["input"]["transcription"]["model"] == service.model
        updated = session.update(
            transcription={"model": "whisper-1", "language": "English"} | steering,
            turn_detection={"type": "server_vad", "silence_duration_ms": 700},
            noise_reduction={"type": "near_field"},
        )
        now = updated["session"]["audio"]["input"]
        assert now["transcription"]["model"] == "whisper-1"
        assert (now["turn_detection"]["silence_duration_ms"], now["turn_detection"]["threshold"]) == (
            700,
            0.5,
        )
        assert now["noise_reduction"] is None
        kept = session.update(turn_detection=None)["session"]["audio"]["input"]
        assert kept["turn_detection"] is None
        assert kept["transcription"] == now["transcription"]


def test_turns_are_found_and_told(service: Service) -> None:
    with talk(service) as session:
        session.update(turn_detection={"type": "server_vad", "silence_duration_ms": 500})
        session.say(raw(sounds.speech()) + raw(PAUSE))
        session.rest()
        items = [event["item_id"] for event in session.events_of(".committed")]
        assert len(items) > 1
        for item, before in zip(items, [None, *items], strict=False):
            mine = session.of(item)
            assert list(dict.fromkeys(event["type"].rsplit(".", 1)[-1] for event in mine)) == ORDER
            assert {event.get("previous_item_id", before) for event in mine} == {before}
            completed = mine[-1]
            assert completed["transcript"] == "".join(event.get("delta", "") for event in mine)
            assert completed["transcript"]
            spoken = (mine[1]["audio_end_ms"] - mine[0]["audio_start_ms"]) / 1000
            assert completed["usage"]["seconds"] == pytest.approx(spoken, abs=0.002)
        assert session.events_of("speech_started")[0]["audio_start_ms"] < 1_000
        assert 10_000 < session.events_of("speech_stopped")[-1]["audio_end_ms"] < 12_500


@pytest.mark.parametrize("encoding", sorted(CODECS))
def test_every_encoding_by_hand(service: Service, encoding: str) -> None:
    with talk(service) as session:
        session.update(format={"type": encoding}, turn_detection=None)
        session.say(raw(sounds.speech(), encoding), piece=100_001)
        session.send({"type": "input_audio_buffer.commit"})
        completed = session.final()
        assert len(completed["transcript"]) > 20
        assert completed["usage"]["seconds"] == pytest.approx(11, abs=0.01)
        assert "input_audio_buffer.speech_started" not in session.kinds()


WRONG: dict[str, dict[str, Any]] = {
    "type": {"type": "response.create"},
    "audio": {"type": "input_audio_buffer.append", "audio": "***"},
    "session.type": {"type": "session.update", "session": {"type": "realtime"}},
    "session.audio.output": {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"output": {}}},
    },
    "session.audio.input.turn_detection.type": {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}},
        },
    },
    "session.audio.input.transcription.language": {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": {"transcription": {"language": "klingon"}}}},
    },
    "session.audio.input.format.rate": {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}},
        },
    },
    "model": {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-9"}}}},
    },
}


def test_wrong_events_are_named_and_change_nothing(service: Service) -> None:
    with talk(service) as session:
        for param, event in WRONG.items():
            session.send({**event, "event_id": f"mine-{param}"})
            events_of = session.next()
            assert events_of["type"] == "error", events_of
            assert events_of["error"]["type"] == "invalid_request_error"
            assert (events_of["error"]["param"], events_of["error"]["event_id"]) == (param, f"mine-{param}")
            assert events_of["error"]["message"].endswith((".", "?", ")."))
        session.connection._connection.send("[not json")
        assert session.next()["error"]["code"] == "invalid_json"
        session.connection._connection.send(b"\0\1")
        assert session.next()["error"]["code"] == "invalid_json"
        session.send({"type": "input_audio_buffer.commit"})
        assert session.next()["error"]["code"] == "input_audio_buffer_commit_empty"
        assert session.update()["session"] == session.seen[0]["session"]


def test_what_is_cleared_is_not_transcribed(service: Service) -> None:
    with talk(service) as session:
        session.update(turn_detection=None)
        session.say(raw(sounds.speech()))
        session.send({"type": "input_audio_buffer.clear"})
        session.until(lambda event: event["type"] == "input_audio_buffer.cleared")
        session.send({"type": "input_audio_buffer.commit"})
        assert session.next()["error"]["code"] == "input_audio_buffer_commit_empty"


def test_an_unknown_model_gets_no_session(service: Service) -> None:
    with talk(service, model="whisper-9") as session:
        assert session.seen[0]["error"]["code"] == "model_not_found"
        assert service.model in session.seen[0]["error"]["message"]
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            session.next()


def test_too_many_sessions_are_told_so(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(Settings().realtime_sessions):
            assert stack.enter_context(talk(service)).kinds() == ["session.created"]
        refused = stack.enter_context(talk(service))
        assert refused.seen[0]["error"]["type"] == "rate_limit_error"
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            refused.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1013


def test_without_an_upgrade_it_says_what_it_is(service: Service) -> None:
    answer = service.get("/v1/realtime")
    assert answer.status_code == 426
    assert "websocket" in answer.json()["error"]["message"]
