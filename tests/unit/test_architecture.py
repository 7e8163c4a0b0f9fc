"""docs/architecture.md names what there is: each module and folder, and each room of deploy/ and services/."""

import re

import pytest

from deploy import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:deploy|nginx|autostart|services|tests|bench)/[\w./-]*)`", PAGE)))


def test_it_names_modules() -> None:
    assert len([path for path in PATHS if path.endswith(".py")]) > 30


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_is_there(path: str) -> None:
    place = ROOT / path
    assert place.is_dir() if path.endswith("/") else place.is_file()


@pytest.mark.parametrize("folder", ["deploy", "services"])
def test_every_room_is_in_its_table(folder: str) -> None:
    rooms = {path.name for path in (ROOT / folder).iterdir() if path.is_dir() and (path / "src").is_dir()}
    rooms |= {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    named = set(re.findall(rf"`{folder}/([\w-]+)/", PAGE))
    assert rooms and rooms <= named, rooms - named


def test_each_word_is_there_once() -> None:
    words = re.findall(r"^\| ([a-z][a-z -]+) \| [A-Z]", PAGE, re.MULTILINE)
    assert len(words) > 20 and len(words) == len(set(words))
