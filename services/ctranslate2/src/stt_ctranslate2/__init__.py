"""Whisper by CTranslate2, with what is used of faster-whisper."""

import os

# How long CTranslate2's OpenMP threads spin before they sleep; read when the library is loaded. With the
# default, two threads on cores that others use too burn five times the time they need: each waits at
# thousands of barriers for the one that was preempted. This is the count to which libgomp itself falls back
# when it knows that there are more threads than cores.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
