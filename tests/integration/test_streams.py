"""The audio surface through nginx and autostart, as OpenAI's clients use it: events above all."""

from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent

from tests.heard import plain
from tests.integration.audio import JFK_SECONDS, spoken
from tests.integration.kit import JFK, MODEL, SAID, Kit, until


def queued(kit: Kit) -> int:
    with kit.http() as client:
        return int(client.get("/whisper/status").json()["queue"]["requests"])


def test_text_comes_while_the_rest_is_unheard_and_stops_with_its_reader(kit: Kit) -> None:
    kit.awake()
    before = kit.metric("stt_audio_seconds_total")
    with kit.openai() as client:
        stream = client.audio.transcriptions.create(model=MODEL, file=("long.wav", spoken(30)), stream=True)
        first = next(stream)
        assert isinstance(first, TranscriptionTextDeltaEvent) and SAID.startswith(plain(first.delta)[:25])
        assert queued(kit) == 1
        stream.close()
    until(lambda: queued(kit) == 0, "the request is given up")
    until(lambda: kit.state()["inFlight"] == 0, "autostart knows it too")
    assert kit.metric("stt_audio_seconds_total") == before


def test_python_client_has_every_event(kit: Kit) -> None:
    with kit.openai() as client, JFK.open("rb") as file:
        *deltas, done = client.audio.transcriptions.create(model=MODEL, file=file, stream=True)
    assert isinstance(done, TranscriptionTextDoneEvent) and plain(done.text) == SAID
    assert "".join(event.delta for event in deltas if isinstance(event, TranscriptionTextDeltaEvent)) == done.text


def test_npm_client_has_the_whole_surface(kit: Kit) -> None:
    told = kit.node("surface.mjs")
    *deltas, done = told["events"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert "".join(event["delta"] for event in deltas) == done["text"]
    assert plain(done["text"]) == SAID
    verbose = told["verbose"]
    assert [plain(word["word"]) for word in verbose["words"]] == SAID.split()
    assert verbose["segments"] and verbose["duration"] == JFK_SECONDS
    assert plain("".join(one["token"] for one in told["logprobs"]["logprobs"])) == SAID
    assert told["translation"]["language"] == "english" and told["translation"]["segments"]
    assert (told["vad"]["status"], told["vad"]["param"]) == (400, "chunking_strategy")
    assert (told["diarized"]["error"], told["diarized"]["param"]) == ("BadRequestError", "response_format")
