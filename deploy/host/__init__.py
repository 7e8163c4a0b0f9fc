"""Programs that run on a host which has nothing of the kit: the standard library alone, Python 3.9 or newer.

`python3 -` would take standard input for itself, so a program travels there ahead of its request, as one
archive, and the argument list holds a fixed loader and nothing else:

    subprocess.run(host.COMMAND, input=host.piped("models", request))  # over ssh: shlex.join(host.COMMAND)
"""

import io
import json
import zipfile
from pathlib import Path

COMMAND = (
    "python3",
    "-c",
    # In memory: a host whose disk is full can still be helped.
    "import os, sys, runpy; i = sys.stdin.buffer; d = os.memfd_create('greffier', 0); "
    "f = open(d, 'wb', closefd=False); f.write(i.read(int(i.readline()))); f.flush(); "
    "runpy.run_path('/proc/self/fd/%d' % d, run_name='__main__')",
)
MAIN = """import sys
if sys.version_info < (3, 9):
    sys.exit("this host needs Python 3.9 or newer as python3, and has " + sys.version.split()[0])
import importlib
program = sys.argv[1] if len(sys.argv) > 1 else "{program}"
try:
    status = importlib.import_module("deploy.host." + program).main()
except Exception as error:
    sys.exit(importlib.import_module("deploy.host.crash").described(error))
sys.exit(status)
"""


def piped(program: str, request: object) -> bytes:
    """Standard input for `COMMAND`: the archive's length in bytes, the archive, then the request as JSON.

    `program` is a module here whose `main()` reads the request from standard input and gives the status.
    """
    return opened(program) + json.dumps(request).encode()


def opened(program: str) -> bytes:
    """The beginning of standard input for `COMMAND`, where the program itself goes on reading.

    The archive has every program: run with another's name as its argument, it is that one.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as entries:
        for source in sorted(Path(__file__).parent.glob("*.py")):
            entries.write(source, f"deploy/host/{source.name}")
        entries.writestr("deploy/__init__.py", "")
        entries.writestr("__main__.py", MAIN.format(program=program))
    return b"%d\n%b" % (len(archive.getvalue()), archive.getvalue())
