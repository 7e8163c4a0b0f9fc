"""How the parts of the tests are run."""

import sys
from pathlib import Path

import pytest

from tests.__main__ import Runner, main
from tests.parts import PARTS, Part, full

HANGING = """
import subprocess, sys, threading, time

def stands_here():
    time.sleep(600)

print(subprocess.Popen(("sleep", "600"), stdout=subprocess.DEVNULL).pid, flush=True)
threading.Thread(target=stands_here).start()
"""


def python(name: str, code: str, seconds: float = 60) -> Part:
    return Part(name, (sys.executable, "-c", code), minutes=seconds / 60)


def at_work(process: int) -> bool:
    """Whether it is there, and not as a zombie that nobody asks after."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_hangs_says_where_its_threads_stand_and_ends_with_all_it_started(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert not Runner(7).run(python("hanging", HANGING, 3))
    told = capfd.readouterr().out
    begun, started, *rest = told.splitlines()
    assert begun == "hanging | begins" and all(line.startswith("hanging | ") for line in rest)
    assert "in stands_here" in told and rest[-1].startswith("hanging | FAILED")
    assert not at_work(int(started.removeprefix("hanging | ")))


def test_it_tells_what_fails_and_what_passes(capfd: pytest.CaptureFixture[str]) -> None:
    runner = Runner(4)
    assert runner.run(python("good", "print('well')")) and not runner.run(python("bad", "exit(3)"))
    assert "good | well\n" in capfd.readouterr().out
    runner.stop()
    assert not runner.run(python("late", "print('never')"))
    assert "never" not in capfd.readouterr().out


def test_a_part_that_is_not_there_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["unti", "core"])
    told = capsys.readouterr().err
    assert left.value.code == 2 and "no part unti." in told and all(name in told for name in PARTS)


def test_every_folder_of_tests_is_in_a_part_and_full_holds_them_all() -> None:
    root = Path(__file__).parents[2]
    taken = {(part.folder / word).resolve() for part in PARTS.values() for word in part.command if "tests" in word}
    folders = {path.parent for path in root.glob("*/tests/test_*.py")} | {
        path.parent for pattern in ("services/*/tests/test_*.py", "tests/*/test_*.py") for path in root.glob(pattern)
    }
    assert folders - {root / "tests" / "vps"} <= taken
    assert set(PARTS) <= {part.name for part in full(PARTS)}
