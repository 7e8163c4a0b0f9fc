"""Home Assistant's protocol, from a client of its own package through autostart to the sleeping service."""

import json
import socket
import subprocess
from typing import Any

from tests.heard import plain
from tests.integration.kit import JFK, PATIENCE, SAID, Kit, until

TALK = """
import asyncio, json, sys, wave
from wyoming.asr import Transcribe
from wyoming.audio import wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe

async def main(port, last, path):
    heard = []
    async with AsyncTcpClient("127.0.0.1", port) as client:
        if path:
            await client.write_event(Transcribe(language="en").event())
            with wave.open(path) as file:
                for event in wav_to_chunks(file, 1024, start_event=True, stop_event=True):
                    await client.write_event(event.event())
        else:
            await client.write_event(Describe().event())
        while (event := await client.read_event()) is not None:
            heard.append([event.type, event.data])
            if event.type == last:
                break
    print(json.dumps(heard))

asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
"""


def talk(kit: Kit, last: str, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """What is heard up to an event of that type, by the library that the service itself has."""
    python = next((kit.root / "opt" / "environments").glob("faster-whisper-*/bin/python"))
    port = kit.config()["services"]["whisper.localhost"]["tcp"][0]["listen"][1]
    done = subprocess.run(
        (str(python), "-c", TALK, str(port), last, path), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(kind, data) for kind, data in json.loads(done.stdout)]


def test_a_spoken_command_wakes_the_service(kit: Kit) -> None:
    starts = kit.asleep()
    heard = talk(kit, "transcript-stop", str(JFK))
    assert plain(dict(heard)["transcript"]["text"]) == SAID
    until(lambda: kit.state()["inFlight"] == 0, "the connection has ended")
    assert (kit.state()["state"], kit.state()["starts"]) == ("ready", starts + 1)
    assert "fellow americans" not in plain(kit.log("whisper") + kit.log("autostart"))


def test_who_only_asks_what_there_is_wakes_it_and_does_not_keep_it_awake(kit: Kit) -> None:
    starts = kit.asleep()
    ((kind, info),) = talk(kit, "info")
    assert kind == "info" and "en" in info["asr"][0]["models"][0]["languages"]
    assert kit.asleep() == starts + 1


def test_the_address_is_told_and_free_of_errors(kit: Kit) -> None:
    (tcp,) = kit.state()["tcp"]
    assert tcp["error"] is None and tcp["listen"][0] == "127.0.0.1"
    assert tcp["port"] == kit.ports["service:whisper/wyoming"]


def test_a_deploy_that_cannot_have_the_address_goes_back(tight: Kit) -> None:
    before = tight.path.read_text()
    content = json.loads(before)
    try:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            content["services"]["whisper"]["wyoming"] = port
            tight.write(content)
            told = tight.cli("deploy", status=3).stderr
    finally:
        tight.path.write_text(before)
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use." in told
    assert "serves again" in told
    assert tight.state()["tcp"] == [] and plain(tight.transcribed().text) == SAID
