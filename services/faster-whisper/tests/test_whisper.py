"""What is the engine's own: the words it hears, and how its process starts and ends."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from whisper_process import COMMAND, MODEL, models

from stt_testing import sounds
from stt_testing.asserts import plain
from stt_testing.service import DEADLINE, Service, in_process, until

JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


@pytest.mark.parametrize("response_format", ["json", "verbose_json"])
def test_every_word_is_right(service: Service, response_format: str) -> None:
    answer = service.post(sounds.speech(), response_format=response_format).json()
    assert plain(answer["text"]) == JFK


def test_words_are_where_they_are_spoken(service: Service) -> None:
    quiet = sounds.samples(sounds.silence(20))
    file = sounds.wav(np.concatenate([quiet, sounds.samples(sounds.speech())]))
    asked: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities__": "word"}
    alone, later = service.post(sounds.speech(), **asked).json(), service.post(file, **asked).json()
    assert [plain(word["word"]) for word in later["words"]] == JFK.split()
    starts = [after["start"] - before["start"] for before, after in zip(alone["words"], later["words"], strict=True)]
    # On some processors one word of them is placed this early, where the silence before was left out.
    assert starts == pytest.approx([20.0] * len(starts), abs=1.5)


def test_prompt_hotwords_language_and_temperature_are_taken(service: Service) -> None:
    answer = service.post(
        sounds.speech(),
        language="English",
        prompt="A speech by a president.",
        hotwords="country",
        temperature="0.2",
        response_format="verbose_json",
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "country" in body["text"]
    assert {segment["temperature"] for segment in body["segments"]} == {0.2}
    long = "A speech by a president about his country. " * 200
    assert service.post(sounds.speech(), prompt=long, hotwords=long).status_code == 200


def test_nothing_is_invented_where_nobody_speaks(service: Service) -> None:
    """Ten minutes of silence, noise, a hum and music, with words that may tempt the model."""
    file = sounds.encoded("ogg", sounds.wav(np.concatenate(list(sounds.unspoken(120).values()))))
    answer = service.post(file, response_format="verbose_json", prompt="Thank you.", hotwords="Greffier").json()
    assert (answer["text"], answer["segments"], answer["language"]) == ("", [], "unknown")
    assert answer["duration"] == pytest.approx(600, abs=1)


def test_sigterm_finishes_what_was_accepted(tmp_path: Path) -> None:
    environment = {"STT_MODELS_DIR": str(models()), "STT_STOP_SECONDS": str(round(DEADLINE))}
    with (
        in_process(COMMAND, environment, MODEL, tmp_path / "log") as (service, child),
        ThreadPoolExecutor(3) as pool,
    ):
        accepted = [pool.submit(service.post, sounds.speech()) for _ in range(3)]
        until(lambda: service.queued() == 3, "all are in")
        child.send_signal(signal.SIGTERM)
        until(lambda: service.get("/ready").status_code == 503, "nobody else comes in")
        late = service.post(sounds.speech())
        assert late.status_code == 503 and int(late.headers["retry-after"]) >= 1
        assert [plain(answer.result().json()["text"]) for answer in accepted] == [JFK] * 3
        assert child.wait(timeout=DEADLINE) == 0


def test_models_take_turns_in_bounded_memory(tmp_path: Path) -> None:
    """Three models that are the same weights under three names, and room for one."""
    names = [f"test/base-{number}" for number in range(3)]
    for name in names:
        source = models() / MODEL.replace("/", "--")
        shutil.copytree(source, tmp_path / "models" / name.replace("/", "--"), copy_function=os.symlink)
    environment = {
        "STT_MODELS_DIR": str(tmp_path / "models"),
        "STT_MODELS": ",".join(names[1:]),
        "STT_MEMORY_BUDGET": "100000000",
    }
    part = sounds.wav(sounds.samples(sounds.speech())[: 2 * sounds.RATE])
    taken = []
    with in_process(COMMAND, environment, names[0], tmp_path / "log") as (service, child):
        for name in names * 2:
            answer = service.post(part, model=name)
            assert plain(answer.json()["text"]).startswith("and so"), answer.text
            pages = Path(f"/proc/{child.pid}/statm").read_text().split()[1]
            taken.append(int(pages) * os.sysconf("SC_PAGE_SIZE"))
    assert (tmp_path / "log").read_text().count(" unloaded, ") == 5
    # Whatever the allocator keeps of the first round, the second needs not one model's memory more.
    assert taken[-1] < taken[2] + 75_000_000


def test_a_stream_that_is_left_is_not_transcribed_to_its_end(service: Service) -> None:
    begun = threading.Event()

    def listen() -> None:
        files, fields = {"file": ("a.wav", sounds.repeated(9))}, {"stream": "true"}
        address = f"{service.url}/v1/audio/transcriptions"
        with httpx.stream("POST", address, files=files, data=fields, timeout=DEADLINE) as answer:
            next(line for line in answer.iter_lines() if line.startswith("data:"))
            begun.set()

    before = service.metric("stt_audio_seconds_total")
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert begun.wait(DEADLINE)
    thread.join()
    until(lambda: service.queued() == 0, "the request is given up")
    assert service.post(sounds.speech()).status_code == 200
    assert service.metric("stt_audio_seconds_total") == pytest.approx(before + 11, abs=0.1)


def other_digest(folder: Path) -> None:
    record = json.loads((folder / ".greffier.json").read_text())
    record["files"]["config.json"] |= {"sha256": "0" * 64, "mtime_ns": 1}
    (folder / ".greffier.json").write_text(json.dumps(record))


def no_record(folder: Path) -> None:
    (folder / ".greffier.json").unlink()


def no_weights(folder: Path) -> None:
    (folder / "model.bin").unlink()


@pytest.mark.parametrize(
    ("harm", "file"),
    [(other_digest, "config.json"), (no_record, ".greffier.json"), (no_weights, "model.bin")],
)
def test_a_model_that_is_not_whole_is_one_sentence(tmp_path: Path, harm: Callable[[Path], None], file: str) -> None:
    name = MODEL.replace("/", "--")
    shutil.copytree(models() / name, tmp_path / name, copy_function=os.symlink)
    harm_copy = tmp_path / name / ".greffier.json"
    harm_copy.write_bytes(_unlinked(harm_copy))
    harm(tmp_path / name)
    status, last = started({"STT_MODELS_DIR": str(tmp_path), "STT_MODEL": MODEL, "STT_PORT": "0"})
    assert status == 1
    assert file in last and "greffier deploy" in last


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"STT_PORT": "http"}, "STT_PORT"),
        ({"STT_HOST": "203.0.113.1"}, "Cannot listen on 203.0.113.1"),
        ({"STT_COMPUTE_TYPE": "int3"}, "int3"),
        ({"STT_MODEL_ALIASES": "best=large"}, "STT_MODEL_ALIASES"),
    ],
)
def test_a_wrong_setting_is_one_sentence(variables: dict[str, str], said: str) -> None:
    status, last = started({"STT_PORT": "0", "STT_MODELS_DIR": str(models()), "STT_MODEL": MODEL} | variables)
    assert status == 1
    assert said in last


def started(variables: dict[str, str]) -> tuple[int, str]:
    """Status and last line of a process that cannot start."""
    done = subprocess.run(
        COMMAND,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


def _unlinked(path: Path) -> bytes:
    """The content of a hard link that is then no longer one: the real model must stay as it is."""
    content = path.read_bytes()
    path.unlink()
    return content
