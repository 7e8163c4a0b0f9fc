"""The lock files: on every Python that the kit runs on, the same version of each package."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.lock", "autostart/*.lock", "services/*/*.lock", "bench/peers/**/*.lock")
    for path in ROOT.glob(pattern)
)
SYSTEMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))

BOTH_ARE_TRIED: dict[str, str] = {}
"""Packages whose version may differ by Python, with the reason. The tests must run on each of the versions."""


def pythons() -> list[str]:
    """Such as ["3.11", "3.12"]: what the kit says it runs on."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return [m[1] for line in about if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line))]


def drifted(lock: str) -> list[str]:
    """A lock file's text -> a line for each package that it resolves to different versions by Python."""
    wanted = [Requirement(line.removesuffix("\\")) for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    found = set()
    for system, machine in SYSTEMS:
        by: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for python in pythons():
            where = {
                "python_version": python,
                "python_full_version": f"{python}.0",
                "implementation_version": f"{python}.0",
                "sys_platform": system,
                "platform_system": system.capitalize(),
                "platform_machine": machine,
            }
            for one in wanted:
                if one.marker is None or one.marker.evaluate(where):
                    by[one.name][python] = str(one.specifier).removeprefix("==")
        for name, versions in by.items():
            if len(versions) < len(pythons()) or len(set(versions.values())) > 1:
                has = ", ".join(f"{versions.get(p, 'none')} on {p}" for p in pythons())
                found.add(f"{name}: {has}")
    return sorted(found)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_python_gets_the_same_versions(lock: str) -> None:
    apart = [one for one in drifted((ROOT / lock).read_text()) if one.split(":")[0] not in BOTH_ARE_TRIED]
    assert not apart, (
        f"{lock} has other versions on other Pythons, of which most would never be tried. Bound each of them in the "
        f"part's pyproject.toml or in services/constraints.txt and run `make lock`, or run the tests on each: {apart}"
    )


def test_a_package_that_drifts_apart_is_named() -> None:
    lock = """\
av==18.1.0 ; python_full_version < '3.12' \\
    --hash=sha256:00
    # via stt-core
av==19.0.2 ; python_full_version >= '3.12' \\
    --hash=sha256:00
backport==1 ; python_full_version < '3.13' \\
    --hash=sha256:00
browser==1 ; python_full_version >= '3.12' and sys_platform == 'emscripten' \\
    --hash=sha256:00
numpy==2.4.6 \\
    --hash=sha256:00
"""
    av, backport = drifted(lock)
    assert av == "av: 18.1.0 on 3.11, 19.0.2 on 3.12, 19.0.2 on 3.13, 19.0.2 on 3.14"
    assert backport == "backport: 1 on 3.11, 1 on 3.12, none on 3.13, none on 3.14"


def test_the_locks_are_found() -> None:
    assert {"requirements.lock", "autostart/requirements-dev.lock", "services/whisperx/requirements.lock"} <= set(LOCKS)
    assert {"bench/peers/requirements.lock", "bench/peers/speech/requirements.lock"} <= set(LOCKS)
