"""The toy engine as a process; a forward takes a tenth of a second."""

import sys
import time
from collections.abc import Sequence

from toy import Toy

from stt_core.engine import Window, WindowResult
from stt_core.server import main


class Slow(Toy):
    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        time.sleep(0.1)
        return super().run(windows)


if __name__ == "__main__":
    main(lambda settings: Slow(), "Toy", sys.argv[1:])
