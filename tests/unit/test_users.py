"""Users: generated passwords, hashes that nginx reads, keys that every client can send."""

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.state import users
from deploy.state.users import ALPHABET, PASSWORD_LENGTH, Key
from deploy.transport.targets import Target

NAMES = st.text(string.ascii_letters + string.digits + "._@-", min_size=1, max_size=64)


def matches(line: str, password: str) -> bool:
    """As nginx checks {SSHA}: the salt follows the 20 bytes of SHA-1."""
    raw = base64.b64decode(line.removeprefix("{SSHA}"), validate=True)
    return hashlib.sha1(password.encode() + raw[20:]).digest() == raw[:20]


@given(NAMES, st.text(ALPHABET, min_size=PASSWORD_LENGTH, max_size=PASSWORD_LENGTH))
def test_a_key_has_nothing_that_a_header_or_a_subprotocol_refuses(name: str, password: str) -> None:
    key = Key(name, password).api_key
    assert set(key) <= set(string.ascii_letters + string.digits)
    assert base64.b64decode(key + "=" * (-len(key) % 4)).decode() == f"{name}:{password}"


@given(st.text(), st.binary(min_size=4, max_size=16))
def test_a_hash_is_that_of_its_password(password: str, salt: bytes) -> None:
    assert matches(users.hash_of(password, salt), password)
    assert not matches(users.hash_of(password, salt), password + "x")


def test_add_rotate_remove(one: HostStack, target: Target) -> None:
    first = users.add(target, one.layout, "ana@example.org")
    second = users.add(target, one.layout, "ben")
    assert len(first.password) >= 22 and first.password != second.password
    there = {user.name: user for user in users.listed(target, one.layout)}
    assert list(there) == ["ana@example.org", "ben"] and all(not user.advice for user in there.values())
    assert matches(there["ben"].hash, second.password)
    third = users.rotate(target, one.layout, "ben")
    now = {user.name: user.hash for user in users.listed(target, one.layout)}
    assert matches(now["ben"], third.password) and not matches(now["ben"], second.password)
    assert now["ana@example.org"] == there["ana@example.org"].hash
    users.remove(target, one.layout, "ben")
    assert [user.name for user in users.listed(target, one.layout)] == ["ana@example.org"]
    state = target.states([one.layout.htpasswd])[one.layout.htpasswd]
    assert state.mode == 0o640
    assert first.password.encode() not in (target.read(one.layout.htpasswd) or b"")


def test_a_name_that_is_taken_odd_or_unknown(one: HostStack, target: Target) -> None:
    users.add(target, one.layout, "ana")
    with pytest.raises(KitError, match="User ana already exists") as raised:
        users.add(target, one.layout, "ana")
    assert raised.value.code == 2 and "rotate ana" in raised.value.hint
    for odd in ("", "a:b", "a b", "é", "a\nroot", "x" * 65, "$(id)"):
        with pytest.raises(KitError, match="is not a user name"):
            users.add(target, one.layout, odd)
    for act in (users.rotate, users.remove):
        with pytest.raises(KitError, match="no user 'zoe'") as raised:
            act(target, one.layout, "zoe")
        assert raised.value.hint == "Users: ana."


OTHER = """\
# of another server
ana:$2y$10$abcdefghijklmnopqrstuuJ1n6rYxT0Cw0yJ5v2rS8sYJqgX3dN7u
ben:{SSHA}Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0
carl:$apr1$salt$hash:a comment

dora:{PLAIN}secret
ana:again
no colon
:empty
bad name:x
"""


def test_import_keeps_hashes_and_names_the_slow_and_the_weak(one: HostStack, target: Target) -> None:
    users.add(target, one.layout, "zoe")
    taken, refused = users.take(target, one.layout, OTHER)
    advice = {user.name: user.advice.split(":")[0].split(" ")[0] for user in taken}
    assert advice == {"ana": "slow", "ben": "", "carl": "weak", "dora": "plain"}
    assert refused == [
        "line 7: ana already exists",
        *(f"line {n}: not `user:hash` with a name of letters, digits and ._@-" for n in (8, 9, 10)),
    ]
    assert [user.name for user in users.listed(target, one.layout)] == ["ana", "ben", "carl", "dora", "zoe"]
    again, refused = users.take(target, one.layout, OTHER)
    assert not again and "line 2: ana already exists" in refused


@given(st.text(max_size=120))
def test_no_imported_line_becomes_another_user(text: str) -> None:
    class Memory:
        """A target's file and lock, in memory."""

        content = b"root:{SSHA}x\n"

        @property
        def supervisor(self) -> "Memory":
            return self

        def nginx(self) -> tuple[tuple[int, ...], str]:
            return (), ""

        def answer(self, said: object) -> object:
            return said

        def read(self, path: str) -> bytes:
            return self.content

        def write(self, path: str, content: bytes, mode: int, owner: str, group: str) -> None:
            self.content = content

        def lock(self, why: str) -> "Memory":
            return self

        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...

    class Paths:
        htpasswd = root = www = "x"

    memory = Memory()
    taken, _ = users.take(memory, Paths(), text)  # type: ignore[arg-type]
    lines = memory.content.decode().splitlines()
    assert sorted(lines) == sorted(["root:{SSHA}x", *(f"{user.name}:{user.hash}" for user in taken)])
    assert len({line.split(":")[0] for line in lines}) == len(lines)
