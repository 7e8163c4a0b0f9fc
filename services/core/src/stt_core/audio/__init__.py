"""Any audio or video file, decoded in blocks by PyAV: no ffmpeg program, constant memory.

A file goes through these, in this order: `kinds` (what it is, by its first bytes), `demuxers` (which
formats are opened), `tracks` (which of its sounds is heard), `decoding` (packets to frames), `clock` (where
each frame belongs), `resampling` (16 kHz), `mixing` (one channel of all), and `source`, which the rest of the
service sees. `bounds` has what a hostile file may take of time and memory.
"""

from stt_core.audio.resampling import SAMPLE_RATE
from stt_core.audio.source import AudioFile, AudioSource, RawPcm, channels

__all__ = ["SAMPLE_RATE", "AudioFile", "AudioSource", "RawPcm", "channels"]
