"""Which of a file's sounds is heard."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from stt_core.audio import kinds
from stt_core.audio.bounds import TRACKS, Reader
from stt_core.audio.demuxers import OPENED
from stt_core.errors import AudioError

SILENT = "holds no sound that can be decoded"
ENCRYPTED = "is encrypted"
UNKNOWN = "is in a format that FFmpeg cannot decode"
SEALED = {
    "drms": "is protected by Apple's FairPlay",
    "aavd": "is protected by Audible's DRM",
    "enca": ENCRYPTED,
}
"""Codec tags of an MP4 whose sound is encrypted: FFmpeg would decode that to noise."""


@contextmanager
def opened(file: Reader, **options: str) -> Iterator[InputContainer]:
    """A file's container, from its start. Raises AudioError for what is no sound, or may not be read."""
    kinds.check(file)
    try:
        container = av.open(file, mode="r", metadata_errors="ignore", options=_options() | options)
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(kinds.unreadable(file)) from error
    with container:
        for stream in container.streams.audio:
            _own_layout(stream)
        yield container


def chosen(container: InputContainer, track: int | None, refused: dict[int, str]) -> AudioStream:
    """The track that is heard: the one that was asked for, or FFmpeg's choice.

    refused: why a track is none, by its index; those that cannot be are added. Raises AudioError when none
    is left.
    """
    streams = container.streams.audio
    if not streams:
        rest = ": there is only a picture" if container.streams.video else ""
        raise AudioError(f"The file has no audio track{rest}.")
    if track is not None and track > len(streams):
        raise AudioError(
            f"The file has no audio track {track}; it has {len(streams)}: {_listed(streams)}.", param="track"
        )
    wanted = sorted(streams, key=_score, reverse=True) if track is None else [streams[track - 1]]
    for stream in wanted:
        if stream.index not in refused:
            fault = _fault(stream)
            if fault is None:
                return stream
            refused[stream.index] = fault
    which = "audio track" if len(streams) == 1 else f"audio track {1 + streams.index(wanted[0])}"
    rest = "" if len(wanted) == 1 else ", and no other can be heard"
    raise AudioError(f"The file's {which} {refused[wanted[0].index]}{rest}.")


def _score(stream: AudioStream) -> tuple[bool, int]:
    """As ffmpeg's map_auto_audio has it: the default track, of those the one with most channels."""
    default = bool(stream.disposition & Disposition.default)
    return default, 0 if stream.codec_context is None else stream.codec_context.layout.nb_channels


def _fault(stream: AudioStream) -> str | None:
    if stream.codec_context is None:
        return UNKNOWN
    if "enc_key_id" in stream.metadata:  # of a WebM
        return ENCRYPTED
    try:
        return SEALED.get(stream.codec_context.codec_tag)
    except UnicodeDecodeError:
        return None  # a number, not four letters


def _listed(streams: tuple[AudioStream, ...]) -> str:
    """The tracks as somebody may choose by: 1 (fra, 2 channels), 2 (eng, 6 channels)."""
    found = []
    for number, stream in enumerate(streams, 1):
        language = stream.metadata.get("language", "")
        count = 0 if stream.codec_context is None else stream.codec_context.layout.nb_channels
        known = [language] if language.isalpha() and len(language) <= 3 and language != "und" else []
        known += [f"{count} channel" + "s" * (count != 1)] if count else []
        found.append(f"{number} ({', '.join(known)})" if known else str(number))
    return ", ".join(found)


def _own_layout(stream: AudioStream) -> None:
    """Give the decoder a layout that is its own.

    PyAV copies a layout without the list that one of unusual order has, and frees that list with each copy:
    the second time ends the process. A layout with a name has no such list.
    """
    if stream.codec_context is None:
        return
    layout = stream.codec_context.layout
    name, count = layout.name, layout.nb_channels
    if count:
        stream.codec_context.layout = f"{count} channels" if " channels" in name else name


@cache
def _options() -> dict[str, str]:
    # All of FFmpeg's decoders for audio. Without this it unpacks pictures to find out their size: bombs, too.
    decoders = sorted(name for name in av.codecs_available if _hears(name))
    return {
        "format_whitelist": ",".join(OPENED),
        "codec_whitelist": ",".join(decoders),
        "protocol_whitelist": "none",
        "max_streams": str(TRACKS),
    }


def _hears(name: str) -> bool:
    try:
        return av.Codec(name, "r").type == "audio"
    except ValueError:
        return False  # it only encodes
