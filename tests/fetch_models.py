"""Fetch the models that the tests load into this user's cache; nothing where they are there."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.config import catalog  # noqa: E402
from deploy.workspace import models_folder  # noqa: E402

MODELS = {"Systran/faster-whisper-base": "faster-whisper", "greffier/open-diarization": "whisperx"}
"""Model -> the kind that knows it."""


def main() -> int:
    kinds = catalog.load()
    wanted = [
        {"name": name, "patterns": [], **kinds[kind].manifest.models.known[name].model_dump(exclude={"memory"})}
        for name, kind in MODELS.items()
    ]
    request = {"directory": str(models_folder()), "models": wanted}
    command = (sys.executable, "-m", "deploy.host.models")
    done = subprocess.run(command, input=json.dumps(request), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] != "progress":
            print(" ".join(str(event[key]) for key in ("event", "model", "where", "message") if event.get(key)))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
