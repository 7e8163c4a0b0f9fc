"""How far what was heard is from what was said: `python -m bench.diarization.scoring`.

Reads a JSON list of {"reference": an RTTM file, "turns": [[start, end, speaker], …]} and writes, for each, the seconds
of {"confusion", "missed", "false alarm", "total"} by pyannote.metrics, without a collar and with overlapping speech.
Or {"said": {speaker: words}, "heard": {speaker: words}}, and writes {"errors", "total"} of meeteval's
concatenated minimum-permutation word errors. It runs in the peers' environment.
"""

import json
import sys
from typing import Any

from meeteval.wer import cp_word_error_rate
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate


def main() -> int:
    print(json.dumps([_words(one) if "said" in one else _speakers(one) for one in json.load(sys.stdin)]))
    return 0


def _speakers(asked: dict[str, Any]) -> dict[str, float]:
    spoken = []
    with open(asked["reference"]) as file:
        for fields in map(str.split, file):
            spoken.append([float(fields[3]), float(fields[3]) + float(fields[4]), fields[7]])
    rate = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    # What is scored is the whole of both, so nothing is left out at the end.
    ends = [end for _, end, _ in (*spoken, *asked["turns"])]
    whole = Segment(0.0, max(ends, default=0.0)) if ends else None
    parts = rate(_annotation(spoken), _annotation(asked["turns"]), uem=whole, detailed=True)
    names = {"confusion": "confusion", "missed": "missed detection", "false alarm": "false alarm", "total": "total"}
    return {name: float(parts[key]) for name, key in names.items()}


def _annotation(turns: list[list[Any]]) -> Annotation:
    found = Annotation()
    for number, (start, end, speaker) in enumerate(turns):
        found[Segment(start, end), number] = speaker
    return found


def _words(asked: dict[str, Any]) -> dict[str, int]:
    rate = cp_word_error_rate(asked["said"], asked["heard"], reference_sort=False, hypothesis_sort=False)
    return {"errors": int(rate.errors), "total": int(rate.length)}


if __name__ == "__main__":
    sys.exit(main())
