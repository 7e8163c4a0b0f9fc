"""The toy engine as a process; where TOY_GATE names a file, forwards wait for it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from toy import Toy

from stt_core.engine.protocol import Window, WindowResult
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_testing.service import until


class Gated(Toy):
    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        if gate := os.environ.get("TOY_GATE"):
            until(Path(gate).exists, "the gate opens")
        return super().run(windows)


if __name__ == "__main__":
    main(lambda _: Kind("Toy", Gated), sys.argv[1:], Settings())
