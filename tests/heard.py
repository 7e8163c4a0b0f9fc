"""What a model said, compared as people compare it: by its words."""

import re


def plain(text: str) -> str:
    """Its words in lower case, a space between. Whether Whisper writes a comma differs by processor."""
    return " ".join(re.findall(r"[\w']+", text.lower()))
