"""The command line: a sentence and a status for whatever is typed, and never a stack trace."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from deploy import ROOT
from deploy.config import quantities
from deploy.config.inventory import Inventory
from deploy.config.stack import Stack
from tests.unit.conftest import Run

LOCAL = "hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}}\n"
COMMANDS = (
    *("init", "check", "schema", "render", "plan", "deploy", "status", "wake", "sleep", "logs"),
    *("users", "transcribe", "destroy", "demo"),
)


def test_alone_it_explains_itself_and_help_lists_every_command() -> None:
    for words in ([], ["--help"]):
        done = subprocess.run(
            [sys.executable, ROOT / "cli.py", *words], capture_output=True, text=True, check=False, cwd="/"
        )
        assert "Traceback" not in done.stderr
        listed = {line.split()[0] for line in (done.stdout + done.stderr).splitlines() if line.startswith("  ")}
        assert set(COMMANDS) <= listed


def test_help_loads_nothing_slow() -> None:
    script = "import sys, cli; sys.argv = ['greffier', '--help']\ntry: cli.main()\nexcept SystemExit: pass\n"
    script += "print(*sorted({'pydantic', 'yaml', 'jinja2', 'openai', 'httpx2', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == ""


def test_every_command_and_sub_command_has_help(run: Run) -> None:
    users = ["add", "rotate", "list", "remove", "import"]
    for words in *([c] for c in COMMANDS), *(["users", u] for u in users):
        said = run(*words, "--help")
        assert said.status == 0 and said.out.startswith("Usage: ")


def test_init_writes_what_check_finds_right_and_never_overwrites(run: Run, tmp_path: Path) -> None:
    assert run("init", "--domain", "speech.court.fr").status == 0
    text = (tmp_path / "inventory.yml").read_text()
    assert "domain: speech.court.fr" in text and "example.org" not in text
    said = run("check")
    needs = "  whisper: Systran/faster-whisper-small, about 486 MB to fetch; up to 4G of memory\n"
    expected = f"vps (compose): portal.speech.court.fr, whisper.speech.court.fr\n{needs}inventory.yml is valid.\n"
    assert (said.status, said.out) == (0, expected)
    said = run("init", "--domain", "other.fr")
    assert said.status == 2 and "inventory.yml already exists; nothing was changed." in said.err
    assert (tmp_path / "inventory.yml").read_text() == text
    assert run("init", "plain.yml").status == 0
    said = run("check", "-i", "plain.yml")
    assert said.status == 2 and "plain.yml:9:5: portal.example.org, whisper.example.org: an example domain" in said.err
    for domain in ("no_domain", "-x.fr", "a..b", "x.fr\n  y: z", "a" * 64 + ".fr", "localhost"):
        said = run("init", "odd.yml", "--domain", domain)
        assert said.status == 2 and not Path("odd.yml").exists(), domain
    assert run("init", "no/such/folder.yml").status == 2


def test_check_tells_everything_with_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(
        "hosts: {v: {domain: a.b, prot: 1}}\nservices:\n  docs: {kind: x}\n  w: {kind: faster-whisper, idle: 5}\n"
    )
    said = run("check")
    assert said.status == 2 and said.out == ""
    starts = [line.split(" ")[1] for line in said.err.splitlines()]
    assert starts == [f"inventory.yml:{place}:" for place in ("1:26", "3:3", "3:10", "4:29")]


def test_check_names_every_sort_of_mistake_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("""\
hosts:
  vps: {domain: your.domain}
  box: {domain: box}
  own: {domain: speech.test, tls: {mode: files, certificate: none.pem, key: 'file:key'}}
services:
  one: {kind: faster-whisper, host: vps, secrets: {A: 'env:NOT_THERE'}}
  two: {kind: faster-whisper, host: box, secrets: {B: 'file:odd'}}
  tri: {kind: faster-whisper, host: own}
""")
    (tmp_path / "key").write_text("x")
    (tmp_path / "odd").write_text("it's")
    said = run("check")
    lines = said.err.splitlines()
    for line, sentence in {
        2: "an example domain",
        3: "no public authority issues certificates",
        4: "the certificate none.pem cannot be read",
        6: "the secret env:NOT_THERE is not set",
        7: "the secret of B has a quote",
    }.items():
        assert any(f"inventory.yml:{line}:" in told and sentence in told for told in lines), lines
    assert said.status == 2 and len(lines) == 5, lines


def test_check_says_which_models_only_the_hub_knows(run: Run, tmp_path: Path) -> None:
    text = "hosts: {v: {domain: speech.test}}\nservices: {w: {kind: faster-whisper, model: %s}}\n"
    (tmp_path / "inventory.yml").write_text(text % "someone/whisper-smal")
    said = run("check")
    assert said.status == 0 and "does not know someone/whisper-smal: `deploy` asks the hub" in said.out
    assert "v (compose): portal.speech.test, w.speech.test" in said.out
    (tmp_path / "inventory.yml").write_text(text % "small")
    assert "does not know" not in run("check").out


def test_check_finds_a_secret_that_is_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL.replace("whisper}", "whisper, secrets: {A: 'file:none'}}"))
    said = run("check")
    assert said.status == 2 and "inventory.yml:2:" in said.err and "file:none cannot be read" in said.err


def test_an_inventory_that_is_not_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for path, sentence in (
        ("none.yml", "There is no none.yml."),
        ("folder", "folder cannot be read: Is a directory."),
        ("file/below.yml", "file/below.yml cannot be read: Not a directory."),
        ("/proc/self/mem", "/proc/self/mem cannot be read: Input/output error."),
    ):
        for command in (["check"], ["plan"], ["deploy"], ["status"], ["wake", "x"], ["users", "list"], ["destroy"]):
            said = run(*command, "--inventory", path)
            assert said.status == 2 and sentence in said.err, (command, path)
    assert "greffier init" in run("check").err


def test_who_is_not_known(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    for words, sentence in (
        (["wake", "siri"], "There is no service 'siri'."),
        (["sleep", "siri"], "Services: whisper."),
        (["logs", "siri"], "Known: whisper, autostart, nginx."),
        (["plan", "--host", "mars"], "There is no host 'mars'."),
        (["deploy", "--host", "mars"], "Name one with --host: me."),
        (["status", "--host", "mars"], "There is no host 'mars'."),
        (["users", "add", "ana", "--host", "mars"], "There is no host 'mars'."),
        (["users", "remove", "ana"], "There is no user 'ana'."),
        (["users", "add", "a:b"], "is not a user name"),
        (["users", "import", "none"], "none"),
        (["dance"], "dance"),
        (["plan", "--danse"], "danse"),
        (["logs", "whisper", "-n", "-1"], "--lines"),
    ):
        said = run(*words)
        assert said.status == 2 and sentence in said.err, words


def test_what_is_not_deployed_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    said = run("status", "--json")
    assert said.status == 0
    (host,) = json.loads(said.out)
    assert host["release"] == 0 and host["units"] == {"nginx": False, "autostart": False}
    assert host["services"][0]["state"] == "not deployed"
    assert "not deployed" in run("status").out
    assert run("wake", "whisper").status == 3 and "Run `greffier deploy` to start it." in run("wake", "whisper").err
    assert run("logs", "whisper").status == 3
    assert json.loads(run("users", "list", "--json").out) == []
    assert "nothing to remove" in run("destroy").out


def test_a_former_secret_does_not_show_in_the_plan_that_removes_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    former = tmp_path / ".greffier/me/etc/services/whisper/.env"
    former.parent.mkdir(parents=True)
    former.write_text("HF_TOKEN='s3cret'\n")
    for words in (["plan"], ["plan", "--json"]):
        said = run(*words)
        assert said.status == 4 and "services/whisper/.env" in said.out and "s3cret" not in said.out + said.err


def test_users_as_a_table_of_a_pipe_and_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    made = json.loads(run("users", "add", "ana", "--json").out)
    assert set(made) == {"user", "password", "api_key"}
    said = run("users", "add", "ben")
    assert said.out.split()[:2] == ["user", "ben"] and "the host keeps a hash" in said.err
    assert json.loads(run("users", "list", "--json").out) == [
        {"name": "ana", "advice": ""},
        {"name": "ben", "advice": ""},
    ]
    assert run("users", "list").out.splitlines() == ["user\tadvice", "ana\t", "ben\t"]
    (tmp_path / "htpasswd").write_text("carl:$2y$10$abcdefghijklmnopqrstuu\n")
    said = run("users", "import", "htpasswd")
    assert "1 imported, 0 skipped." in said.out and "bcrypt" in said.out and "`greffier users rotate NAME`" in said.out
    assert run("users", "remove", "ana").out == "Removed ana.\n"
    said = run("destroy")
    assert said.status == 2 and "--yes" in said.err and "the users ben, carl" in said.out
    assert run("destroy", "--yes").status == 0
    assert not (tmp_path / ".greffier" / "me").exists()


def test_an_example_domain_is_refused_before_any_host_is_asked(run: Run) -> None:
    for command in ("plan", "deploy"):
        said = run(command, "--inventory", ROOT / "inventory.yml")
        assert said.status == 2
        assert "inventory.yml:9:5: portal.example.org, whisper.example.org: an example domain" in said.err


def test_render_writes_every_file_and_no_secret(run: Run, tmp_path: Path) -> None:
    inventory = LOCAL.replace("whisper}", "whisper, secrets: {A: 'env:A_TOKEN'}}")
    (tmp_path / "inventory.yml").write_text(inventory)
    os.environ["A_TOKEN"] = "s3cret"
    try:
        said = run("render", "--out", "tree")
    finally:
        del os.environ["A_TOKEN"]
    assert said.status == 0
    paths = [Path(line) for line in said.out.splitlines()]
    assert paths and all(path.is_file() for path in paths)
    assert {path for path in (tmp_path / "tree").rglob("*") if path.is_file()} == {tmp_path / path for path in paths}
    (secret,) = (path for path in paths if path.name == ".env")
    assert secret.read_text() == "A='<env:A_TOKEN>'\n" and secret.stat().st_mode & 0o777 == 0o640
    assert not any("s3cret" in path.read_text() for path in paths)
    assert run("render").status == 2
    (tmp_path / "file").write_text("")
    said = run("render", "--out", "file")
    assert said.status == 3 and "cannot be written: Not a directory." in said.err


def test_a_folder_that_cannot_be_written_is_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    (tmp_path / ".greffier").write_text("in the way")
    for words in (["plan"], ["deploy"], ["users", "add", "ana"]):
        said = run(*words)
        assert said.status == 3 and ".greffier" in said.err, words


def test_transcribe_wants_a_file_a_format_and_a_key(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    assert "No API key was given." in run("transcribe", "a.wav").err
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5")
    said = run("transcribe", "none.wav")
    assert said.status == 2 and "none.wav cannot be read: No such file or directory." in said.err
    (tmp_path / "a.wav").write_bytes(b"x")
    assert "Known: text, json, verbose_json, diarized_json, srt, vtt." in run("transcribe", "a.wav", "-f", "docx").err
    assert "There is no service 'siri'." in run("transcribe", "a.wav", "-s", "siri").err
    said = run("transcribe", "a.wav")
    assert said.status == 3 and "me has no certificate yet." in said.err and "`greffier deploy`" in said.err


@pytest.fixture
def schema(run: Run) -> dict[str, object]:
    return dict(json.loads(run("schema").out))


def test_the_schema_is_one_and_takes_the_examples(schema: dict[str, object]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in (ROOT / "inventory.yml", ROOT / "examples/demo.yml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    for bad in ({}, {"hosts": {"v": {"domian": "a.b"}}}, {"hosts": {"v": {"port": 0}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    service = {"hosts": {"v": {"domain": "a.b"}}, "services": {"w": {"kind": "x", "upload_limit": 500}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(service, schema)


def test_defaults_of_the_schema_can_be_written(schema: dict[str, object], resolved: Callable[[str], Stack]) -> None:
    properties = schema["$defs"]["Service"]["properties"]  # type: ignore[index]
    defaults = {key: value["default"] for key, value in properties.items() if value.get("default") is not None}
    assert defaults["upload_limit"] == "500M" and quantities.duration(defaults["idle"]) == 900
    data = {"hosts": {"v": {"domain": "a.b"}}, "services": {"w": {"kind": "faster-whisper"} | defaults}}
    assert (
        Inventory.model_validate(data).services["w"]
        == Inventory.model_validate({"hosts": data["hosts"], "services": {"w": {"kind": "faster-whisper"}}}).services[
            "w"
        ]
    )
