"""What the repository offers to those who join: hooks before a commit, forms for issues, settings for editors."""

import configparser
import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import ROOT

FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def test_hooks_run_what_the_check_runs_and_download_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks: list[dict[str, Any]] = list(chain.from_iterable(repo["hooks"] for repo in config["repos"]))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system", "pygrep"}  # neither has an environment to fetch
    check = (ROOT / "scripts/check").read_text()
    for hook in (hook for hook in hooks if hook["language"] == "system"):
        program, *words = hook["entry"].split()
        assert program in check or all((ROOT / word).exists() for word in words if word.startswith("tests/"))
        assert program.startswith(".venv/bin/")


def test_a_hook_refuses_a_long_subject() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (subject,) = (hook["entry"] for hook in config["repos"][0]["hooks"] if hook["id"] == "subject")
    assert not re.match(subject, "x" * 72 + "\n\n" + "y" * 90)
    assert re.match(subject, "x" * 73)


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.name)
def test_forms_of_issues_are_forms(file: Path) -> None:
    """By GitHub's syntax for issue forms: what is missing there shows no form at all."""
    form = yaml.safe_load(file.read_text())
    assert form["name"] and form["description"]
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert "value" in part["attributes"] if part["type"] == "markdown" else part["attributes"]["label"]
    names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert names and len(names) == len(set(names))


def test_editors_and_the_linter_have_one_length_of_lines() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    assert int(settings["*"]["max_line_length"]) == linter
    assert settings["*"]["charset"] == "utf-8" and settings["Makefile"]["indent_style"] == "tab"
