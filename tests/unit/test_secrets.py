"""References become secrets late, fail together with their place, and are never printed."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.config import secrets
from deploy.config.resolve import reference
from deploy.config.stack import Stack
from deploy.errors import InventoryError, KitError
from deploy.render import env
from deploy.types import File, Reference, Secret


def of(text: str, place: str = "inventory.yml:9:9") -> Reference:
    return reference(text, place)


def value(text: str, folder: Path) -> str:
    found = secrets.resolve([of(text)], folder)
    return found[of(text)].reveal()


def refused(text: str, folder: Path) -> str:
    with pytest.raises(InventoryError) as raised:
        secrets.resolve([of(text)], folder)
    assert raised.value.code == 2 and raised.value.message.startswith("inventory.yml:9:9: the secret ")
    return raised.value.message


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "s3cret")
    assert value("env:A_TOKEN", tmp_path) == "s3cret"
    monkeypatch.setenv("A_TOKEN", "")
    assert "env:A_TOKEN is empty" in refused("env:A_TOKEN", tmp_path)
    monkeypatch.delenv("A_TOKEN")
    assert "env:A_TOKEN is not set in the environment" in refused("env:A_TOKEN", tmp_path)


def test_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    assert value("file:token", tmp_path) == "s3cret"
    assert value(f"file:{tmp_path}/token", Path("/")) == "s3cret"
    assert "file:nothing cannot be read: No such file" in refused("file:nothing", tmp_path)
    assert "cannot be read: Is a directory" in refused("file:.", tmp_path)
    assert "cannot be read" in refused("file:~nobody-of-this-name/token", tmp_path)
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert "is not text" in refused("file:token", tmp_path)
    assert "has more than 65536 bytes" in refused("file:/dev/zero", tmp_path)


def test_from_a_command_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\nsecond\n")
    assert value("command:cat token", tmp_path) == "first"
    assert value("command:printf %s '$(id); `id`'", tmp_path) == "$(id); `id`"
    assert "failed with status 3" in refused("command:sh -c 'echo s3cret; exit 3'", tmp_path)
    assert "names a program that does not exist" in refused("command:no-such-program-here", tmp_path)
    assert "is not a command: No closing quotation" in refused("command:echo 'x", tmp_path)
    assert "is empty" in refused("command:true", tmp_path)
    program = f'{sys.executable} -c "import sys; sys.stdout.buffer.write(bytes([255]))"'
    assert "printed something that is not text" in refused(f"command:{program}", tmp_path)


def test_all_that_fail_are_told_at_once_and_none_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    wanted = [of("env:NO_SUCH_A", "i.yml:2:1"), of("file:token", "i.yml:3:1"), of("file:none", "i.yml:4:1")]
    with pytest.raises(InventoryError) as raised:
        secrets.resolve(wanted, tmp_path)
    lines = raised.value.message.split("\n")
    assert [line.split(": ")[0] for line in lines] == ["i.yml:2:1", "i.yml:4:1"]
    assert "s3cret" not in raised.value.message


@pytest.mark.parametrize("bad", ["it's", "back\\slash", "two\nlines", "tab\t", "\x7f"])
def test_a_value_that_an_env_file_would_change_is_refused(
    resolved: Callable[[str], Stack], tmp_path: Path, bad: str
) -> None:
    stack = resolved(
        "hosts: {v: {domain: a.b}}\nservices: {w: {kind: faster-whisper, secrets: {A_TOKEN: 'file:token'}}}\n"
    )
    (tmp_path / "token").write_text(bad)
    with pytest.raises(KitError) as raised:
        env.check_writable(stack, secrets.resolve(stack.references, tmp_path))
    assert raised.value.code == 2 and "inventory.yml:2:48: the secret of A_TOKEN" in raised.value.message
    assert bad not in raised.value.message


def test_a_secret_never_prints(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("s3cret")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>9}",
        repr([secret]),
        repr({1: secret}),
    ]
    logging.getLogger("x").error("token %s %r", secret, secret)
    with pytest.raises(ValueError) as raised:
        raise ValueError(secret)
    assert not any("s3cret" in text for text in (*shown, caplog.text, str(raised.value), repr(raised.value)))
    assert not hasattr(secret, "__dict__")


def test_an_env_file_gives_back_the_secrets_it_was_made_of() -> None:
    one, two = of("env:ONE"), of("file:two")
    file = File(("A='", one, "'\nB='", two, "'\n"), 0o640, "root", "greffier")
    values = {one: Secret("x=y.*"), two: Secret("z")}
    text = file.content(values)
    assert {r: s.reveal() for r, s in env.recovered(file, text).items()} == {one: "x=y.*", two: "z"}
    assert env.recovered(file, text + "C='1'\n") == {}
    assert env.changed(text, text) == () and env.changed(text, "A='x=y.*'\nB='other'\n") == ("B",)
    assert "z" not in env.changed(text, "")
