"""The container as it begins: with root's rights it gives its data away, and goes on without them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from stt_parakeet.standalone import USER

PROGRAM = """
import json, os, sys
from stt_parakeet import standalone
standalone.step_down({"DB_PATH": sys.argv[1]})
print(json.dumps([os.getuid(), os.getgid(), os.getgroups()]))
"""


def test_what_root_has_written_is_given_to_who_serves(tmp_path: Path) -> None:
    """Nothing changes for who is not root, as a compose file may have it."""
    data = tmp_path / "data"
    (data / "recordings").mkdir(parents=True)
    (data / "transcriptions.db").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.write_text("")
    (data / "link").symlink_to(outside)
    before = os.getuid(), os.getgid(), os.getgroups()
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM, str(data / "transcriptions.db")), capture_output=True, text=True, check=True
    )
    root = before[0] == 0
    assert json.loads(done.stdout) == ([USER, USER, []] if root else list(before))
    owners = {path.stat().st_uid for path in (data, data / "recordings", data / "transcriptions.db")}
    assert owners == {USER if root else before[0]} and outside.stat().st_uid == before[0]
