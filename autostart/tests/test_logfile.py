from __future__ import annotations

import os
from pathlib import Path

import pytest

from greffier_autostart.drivers import logfile
from greffier_autostart.drivers.logfile import LogFile


def test_last_line_is_of_this_start_and_clean(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "whisper.log"
    log = LogFile(path)
    descriptor = log.open()
    os.write(descriptor, b"of an earlier start\n")
    os.close(descriptor)
    descriptor = log.open()
    assert log.last_line() == ""
    os.write(descriptor, b"first\n\x1b[1;31mthe \x00reason\x1b[0m  \n\n  \n")
    assert log.last_line() == "the reason"
    os.write(descriptor, b"x" * 20_000)
    assert len(log.last_line()) == logfile.MAX_LINE
    os.close(descriptor)


def test_log_stays_small_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "MAX_BYTES", 1000)
    path = tmp_path / "whisper.log"
    log = LogFile(path)
    descriptor = log.open()
    os.write(descriptor, b"a" * 1001)
    log.keep_small()
    os.write(descriptor, b"and on\n")
    assert path.read_text() == "and on\n"
    assert log.last_line() == "and on"
    assert path.with_name("whisper.log.1").stat().st_size == 1001
    os.close(descriptor)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"time": "2026-11-21T15:25:40Z", "level": "info", "message": "the reason"}', "the reason"),
        (
            '{"message": "uncaught KeyError", "exception": "Traceback …\\n  File …\\nKeyError: 1\\n"}',
            "KeyError: 1",
        ),
        ('{"message": 3}', '{"message": 3}'),
        ('["message"]', '["message"]'),
        ('{"message": "cut o', '{"message": "cut o'),
        ("[" * 20_000, "[" * (logfile.MAX_LINE - 1) + "…"),
    ],
)
def test_of_a_line_of_json_the_message_is_shown(line: str, shown: str) -> None:
    assert logfile.last_line_of(f"before\n{line}\n") == shown
