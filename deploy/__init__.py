"""The laptop's side of Greffier: from what the operator wrote to what runs on the host."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Where the kit's own files (nginx/, services/, autostart/, examples/) lie."""

VERSION = "0.1.0"
