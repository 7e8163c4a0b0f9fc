"""Files made to harm: a few megabytes that ask for gigabytes, hours or a crash. Made on the spot."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import cast

import av
import numpy as np

from stt_testing import sounds
from stt_testing.films import Track, film

Make = Callable[[], bytes]

PCM, FLOAT = 1, 3
"""Format tags of a wav file."""


def riff(rate: int, channels: int, bits: int, data: bytes, tag: int = PCM, size: int | None = None) -> bytes:
    """A wav file whose header says what it is told to say."""
    frame = max(1, channels * bits // 8) & 0xFFFF
    speed = rate * frame & 0xFFFFFFFF
    length = len(data) if size is None else size
    head = struct.pack("<IHHIIHH", 16, tag, channels, rate, speed, frame, bits)
    whole = min(length + 36, 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", whole) + b"WAVEfmt " + head + b"data" + struct.pack("<I", length) + data


def tone(seconds: float = 1.0) -> bytes:
    """16 bit samples that are no speech."""
    at = np.arange(int(seconds * sounds.RATE)) / sounds.RATE
    return bytes((8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2").tobytes())


def id3(*frames: tuple[bytes, bytes], size: int | None = None) -> bytes:
    """An ID3 tag; `size` is what it claims to be."""
    body = b"".join(name + struct.pack(">I", len(data)) + b"\0\0" + data for name, data in frames)
    length = len(body) if size is None else size
    return b"ID3\3\0\0" + bytes(length >> shift & 127 for shift in (21, 14, 7, 0)) + body


def picture(side: int) -> bytes:
    """A black PNG: some kilobytes that unfold to 4 * side * side bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    row = bytes(1 + 4 * side)
    data = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def cover(image: bytes) -> tuple[bytes, bytes]:
    """The ID3 frame of an attached picture."""
    return b"APIC", b"\0image/png\0\3\0" + image


def element(identity: str, data: bytes) -> bytes:
    """An element of a Matroska file."""
    return bytes.fromhex(identity) + (1 << 56 | len(data)).to_bytes(8, "big") + data


def matroska(tracks: int, *blocks: bytes, times: Sequence[int] = ()) -> bytes:
    """Tracks of 16 kHz samples; the blocks belong to the first, and are all at 0 ms if no times are given."""

    def track(number: int) -> bytes:
        name = number.to_bytes(2, "big")
        sound = element("B5", struct.pack(">f", 16000.0)) + element("9F", b"\1") + element("6264", b"\x10")
        codec = element("86", b"A_PCM/INT/LIT") + element("E1", sound)
        return element("AE", element("D7", name) + element("73C5", name) + element("83", b"\2") + codec)

    kind = element("4282", b"matroska") + element("4287", b"\4") + element("4285", b"\2")
    head = element("1549A966", element("2AD7B1", (1_000_000).to_bytes(3, "big")))
    described = element("1654AE6B", b"".join(track(number) for number in range(1, tracks + 1)))
    spoken = b"".join(
        element("A3", b"\x40\1" + struct.pack(">h", time) + b"\x80" + block)
        for time, block in zip(times or [0] * len(blocks), blocks, strict=True)
    )
    cluster = element("1F43B675", element("E7", b"\0") + spoken)
    return element("1A45DFA3", kind) + element("18538067", head + described + cluster)


def boxed(name: bytes, data: bytes) -> bytes:
    """A box of an mp4."""
    return struct.pack(">I", len(data) + 8) + name + data


def unusual_layout() -> bytes:
    """A QuickTime whose stereo is right, then left: FFmpeg keeps that as a list beside the layout."""
    file = bytearray(film("mov", Track(np.frombuffer(tone(4), "<i2").reshape(-1, 2), "pcm_s16le", layout="stereo")))
    entry = file.find(b"sowt")
    right, left = (struct.pack(">II12x", label, 0) for label in (2, 1))
    added = boxed(b"chan", struct.pack(">IIII", 0, 0, 0, 2) + right + left)
    (size,) = struct.unpack(">I", file[entry - 4 : entry])
    old = file.find(b"chan", entry, entry - 4 + size) - 4
    if old > 0:
        (length,) = struct.unpack(">I", file[old : old + 4])
        file[old : old + length] = added
        growth = len(added) - length
    else:
        file[entry - 4 + size : entry - 4 + size] = added
        growth = len(added)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"sowt"):
        at = file.find(name) - 4
        file[at : at + 4] = struct.pack(">I", struct.unpack(">I", file[at : at + 4])[0] + growth)
    return bytes(file)


def nested(depth: int) -> bytes:
    """An mp4 whose boxes lie in one another."""
    inner = b""
    for _ in range(depth):
        inner = struct.pack(">I", len(inner) + 8) + b"moov" + inner
    return struct.pack(">I", 16) + b"ftypisom\0\0\0\0" + inner


def quiet(seconds: int, container: str, codec: str, rate: int) -> bytes:
    """Silence, squeezed to next to nothing."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        stream = cast(av.AudioStream, target.add_stream(codec, rate=rate, layout="mono"))
        fifo, size = av.AudioFifo(), stream.codec_context.frame_size or 4096
        kind = stream.codec_context.format.name
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.int16), format="s16", layout="mono")
            frame.sample_rate = rate
            for part in av.AudioResampler(format=kind, layout="mono", rate=rate).resample(frame):
                part.pts = None
                fifo.write(part)
            while (chunk := fifo.read(size)) is not None:
                target.mux(stream.encode(chunk))
        target.mux(stream.encode(None))
    return out.getvalue()


def shuffled_pages() -> bytes:
    """An ogg file whose pages claim impossible positions; their checksums are right no more."""
    file = bytearray(sounds.encoded("ogg"))
    at = file.find(b"OggS", 1)
    while at > 0:
        file[at + 6 : at + 14] = b"\xff" * 7 + b"\x7f"
        at = file.find(b"OggS", at + 1)
    return bytes(file)


def one_hertz_flac() -> bytes:
    """A flac file whose header says 1 Hz: a frame of 65,535 samples would be 18 hours."""
    file = bytearray(quiet(10, "flac", "flac", 8000))
    rate = 8 + 10  # in STREAMINFO, 20 bits
    file[rate : rate + 3] = bytes([0, 0, 0x10 | file[rate + 2] & 0x0F])
    return bytes(file)


def sound(data: bytes, **fields: int) -> Make:
    return lambda: riff(**({"rate": sounds.RATE, "channels": 1, "bits": 16} | fields), data=data)


HOSTILE: dict[str, Make] = {
    "no channels": sound(tone(), channels=0),
    "384 kHz": sound(tone(), rate=384_000),
    "8 bit": sound(tone(), bits=8),
    "13 bit": sound(tone(), bits=13),
    "1 sample": sound(tone()[:2]),
    "12 channels": sound(tone(), channels=12),
    "512 channels": sound(tone(), channels=512),
    "65,535 channels": sound(tone(), channels=65_535),
    "1 Hz": sound(bytes(3_000_000), rate=1, bits=8),
    "1 Hz flac": one_hertz_flac,
    "400 MHz": sound(tone(), rate=400_000_000, bits=8),
    "4 GHz": sound(tone(), rate=0xFFFFFFFF),
    "a header that claims 4 GB": sound(tone(), size=0xFFFFFFFF),
    "a length of nothing": sound(tone(), size=0),
    "not a number": sound(struct.pack("<f", float("nan")) * 16_000, tag=FLOAT, bits=32),
    "infinity": sound(struct.pack("<f", float("inf")) * 16_000, tag=FLOAT, bits=32),
    "video without audio": sounds.film_without_sound,
    "a wrong ending": lambda: sounds.encoded("flac"),
    "a tag that claims 256 MB": lambda: id3(size=(1 << 28) - 1) + sounds.encoded("mp3"),
    "a thousand tags": lambda: id3() * 1000 + sounds.encoded("mp3"),
    "a picture of 3 MB": lambda: id3(cover(bytes(3_000_000))) + sounds.encoded("mp3"),
    "a picture of 400 MB": lambda: id3(cover(picture(10_000))) + sounds.encoded("mp3"),
    "thousands of streams": lambda: matroska(3000, tone()),
    "a block of 3 MB": lambda: matroska(1, bytes(3_000_000)),
    "boxes in boxes": lambda: nested(20_000),
    "broken granules": shuffled_pages,
    "five minutes of nothing": lambda: quiet(300, "flac", "flac", 8000),
    "channels in an unusual order": unusual_layout,
    "a gap of a month": lambda: film("matroska", Track(np.frombuffer(tone(4), "<i2"), "aac", gap=(2.0, 30 * 86_400.0))),
    "times without sense": lambda: matroska(
        1, *[tone(0.1)] * 600, times=[number * 20_011 % 65_536 - 32_768 for number in range(600)]
    ),
    "a hundred tracks without sound": lambda: matroska(100),
}
"""Name -> file."""
