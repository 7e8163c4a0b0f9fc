"""The parts of the tests: what runs in which environment, and what `make test-full` adds."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "greffier" / "models"
SERVICES = ROOT / "services"
SPOKEN = {"STT_TEST_MODELS": str(MODELS), "STT_TEST_AUDIO": str(ROOT / "examples")}


@dataclass(frozen=True)
class Part:
    """A command that tests something, in a folder of the checkout.

    minutes: several times what it takes on two cores; what takes longer hangs. models: whether it loads any.
    """

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)
    minutes: float = 20
    models: bool = False


def kind(name: str, python: str, *sources: str) -> Part:
    """The tests of a folder of services/, with the source of those that they and its own build on."""
    command = (f"{ROOT}/.venvs/{python}/bin/python", "-m", "pytest", f"{name}/tests")
    path = os.pathsep.join(f"{SERVICES}/{source}/src" for source in ("testing", *sources, name))
    return Part(name, command, SERVICES, {**SPOKEN, "PYTHONPATH": path}, minutes=30, models=True)


FETCH = Part("models", (f"{ROOT}/.venv/bin/python", "tests/fetch_models.py"))
"""What comes before those that load some."""

AUTOSTART = ROOT / "autostart"
PARTS = {
    part.name: part
    for part in (
        # The longest first, so that none is left to run alone at the end.
        Part("integration", (f"{ROOT}/.venv/bin/python", "-m", "pytest", "tests/integration"), minutes=45, models=True),
        kind("pytorch", "whisperx", "core", "whisper", "speakers"),
        kind("whisperx", "whisperx", "core", "whisper", "ctranslate2", "speakers"),
        kind("speakers", "whisperx", "core"),
        kind("parakeet", "whisperx", "core", "speakers"),
        kind("faster-whisper", "faster-whisper", "core", "whisper", "ctranslate2"),
        replace(kind("whisper", "faster-whisper", "core"), models=False),
        replace(kind("core", "faster-whisper"), models=False),
        Part("check", (f"{ROOT}/scripts/check",)),
        Part("unit", (f"{ROOT}/.venv/bin/python", "-m", "pytest", "tests/unit", "tests/golden")),
        Part(
            "autostart",
            (f"{ROOT}/.venvs/autostart/bin/python", "-m", "pytest", "tests"),
            AUTOSTART,
            {"PYTHONPATH": str(AUTOSTART / "src")},
        ),
    )
}
"""Name -> part."""

SPEAKING = ("pytorch", "whisperx", "speakers", "parakeet", "faster-whisper")
OTHER_PROCESSORS: dict[str, dict[str, str]] = {
    "AVX": {"CT2_FORCE_CPU_ISA": "AVX", "ONEDNN_MAX_CPU_ISA": "AVX", "ATEN_CPU_CAPABILITY": "default"},
    "generic": {"CT2_FORCE_CPU_ISA": "GENERIC", "ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}
"""Name -> what makes CTranslate2, oneDNN and PyTorch compute as an older processor does."""


def full(names: Iterable[str]) -> Iterator[Part]:
    """These parts with their long tests, and the usual ones of the engines as other processors compute."""
    for name in names:
        part = PARTS[name]
        tests = (*part.command, "-m", "not engine")
        yield replace(part, command=tests, minutes=3 * part.minutes) if "pytest" in part.command else part
    for part in (PARTS[name] for name in names if name in SPEAKING):
        alone = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
        yield replace(part, name=f"{part.name}, one core", command=(*alone, *part.command), minutes=2 * part.minutes)
        for other, variables in OTHER_PROCESSORS.items():
            yield replace(part, name=f"{part.name}, {other}", environment={**part.environment, **variables})
