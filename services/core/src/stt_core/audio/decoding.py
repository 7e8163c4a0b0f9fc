"""From packets to frames, each with its place on the container's clock."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import IO

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from stt_core.audio import chains, tracks
from stt_core.audio.bounds import PACKET_BYTES, RATES, Effort, Reader
from stt_core.audio.clock import FIRST, Clock, Placed
from stt_core.audio.demuxers import CLOCKED
from stt_core.errors import AudioError

TS_DISCONT = 0x0200
"""AVFMT_TS_DISCONT: what a demuxer has whose timestamps may start anew in the middle of a file."""


def frames(file: IO[bytes], track: int | None, effort: Effort) -> Iterator[Placed[AudioFrame]]:
    """The frames of one track, from its start; where the first choice gives none, those of the next.

    track: counted from 1; None for the one that FFmpeg would choose. Raises AudioError when nothing can
    be decoded.
    """
    broken = yield from _link(Reader(file, effort), track, effort)
    while broken is not None and (start := chains.following(file, broken)) is not None:
        try:
            broken = yield from _link(Reader(file, effort, start), track, effort)
        except AudioError:
            effort.check()
            return  # the file breaks off here


def _link(reader: Reader, track: int | None, effort: Effort) -> Generator[Placed[AudioFrame], None, int | None]:
    """The frames of a file, or of a link in a chain. Returns the byte where FFmpeg could not go on."""
    refused: dict[int, str] = {}
    while True:
        with tracks.opened(reader) as container:
            stream = tracks.chosen(container, track, refused)
            playing = _Playing(container, stream, reader, effort)
            yield from playing.frames()
            if playing.heard:
                broken = playing.broken if container.format.name == "ogg" else None
                return None if broken is None else reader.start + broken
            refused[stream.index] = playing.fault


class _Playing:
    """One track of a file, from its start to its end."""

    def __init__(self, container: InputContainer, stream: AudioStream, reader: Reader, effort: Effort) -> None:
        self._container = container
        self._stream = stream
        self._reader = reader
        self._effort = effort
        self._resets = bool(container.format.flags & TS_DISCONT)
        self._clock: Clock[AudioFrame] | None = None
        if not CLOCKED.isdisjoint(container.format.name.split(",")):
            self._clock = Clock(_start(container, reader), resets=self._resets)
        self._position = 0
        self.heard = False
        self.fault = tracks.SILENT
        """Why nothing was."""
        self.broken: int | None = None
        """The byte at which the demuxer gave up, if it did."""

    def frames(self) -> Iterator[Placed[AudioFrame]]:
        for packet in self._packets():
            for frame in self._decoded(packet):
                if frame.sample_rate not in RATES:
                    self.fault = f"claims {frame.sample_rate} samples a second"
                    return
                self.heard = True
                if self._clock is None:
                    yield 0.0, frame
                else:
                    yield from self._clock.place(frame)
        if self._clock is not None:
            yield from self._clock.end()

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Those of the track. The clock hears of the others until it runs, or always where it may reset."""
        others = [other for other in self._container.streams if _timed(other) and other != self._stream]
        others = others if self._clock else []
        read = -1
        while True:
            try:
                if self._resets or not self.heard:
                    yield from self._among(others)
                yield from self._among([])
                return
            except (av.error.FFmpegError, ValueError):
                # A damaged stretch: behind it more may follow, if the demuxer gets on at all.
                self._effort.check()
                if self._reader.tell() == read:
                    self.broken = self._position
                    return
                read = self._reader.tell()

    def _among(self, others: list[Stream]) -> Iterator[Packet[Stream]]:
        """The track's packets; where there are others only for a start, up to the first that was heard."""
        units = {other.index: float(other.time_base or 0) for other in others}
        for packet in self._container.demux(self._stream, *others):
            self._effort.check()
            if packet.stream_index == self._stream.index:
                self._position = packet.pos or self._position
                if packet.size <= PACKET_BYTES:
                    yield packet
                if others and self.heard and not self._resets:
                    return
            elif self._clock and (time := packet.dts if packet.pts is None else packet.pts) is not None:
                self._clock.saw(packet.stream_index, time * units[packet.stream_index])

    def _decoded(self, packet: Packet[Stream]) -> Iterator[AudioFrame]:
        if packet.has_sidedata("encryption_info"):  # by chance it may decode, to noise
            self.fault = tracks.ENCRYPTED
            return
        # One damaged packet; the next may be whole.
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            for frame in packet.decode():
                if isinstance(frame, AudioFrame) and frame.samples:
                    yield frame


def _timed(stream: Stream) -> bool:
    """It runs beside the sound; the picture on an album's cover does not."""
    return stream.type in ("audio", "video") and not stream.disposition & Disposition.attached_pic


def _start(container: InputContainer, reader: Reader) -> float | None:
    """When the container starts by its own clock, in seconds; None where it does not say.

    The clock of an MP4 starts at 0, though an edit list may have all of its tracks start later.
    """
    found = _declared(container)
    if found is None or found <= FIRST or "mov" not in container.format.name:
        return found
    at = reader.tell()
    try:
        with tracks.opened(reader, ignore_editlist="1") as unedited:
            first = _declared(unedited)
    finally:
        reader.seek(at)
    return found if first is None else min(found, first)


def _declared(container: InputContainer) -> float | None:
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in container.streams
        if _timed(stream) and stream.start_time is not None and stream.time_base
    ]
    return min(starts, default=None)
