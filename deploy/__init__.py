"""The laptop's side of Greffier: from what the operator wrote to what runs on the host."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Where the kit's own files (nginx/, services/, autostart/, examples/) lie."""

try:
    VERSION = version("greffier")
except PackageNotFoundError:  # run from a checkout that was not installed
    VERSION = "0.1.0"
