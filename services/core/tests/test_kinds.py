"""What is opened, and what is said of what is not."""

import io
import struct
import zipfile
from collections.abc import Callable

import av
import numpy as np
import pytest
from hearing import heard, spans, tone

from stt_core.audio import AudioFile
from stt_core.audio.demuxers import OPENED
from stt_core.errors import AudioError
from stt_testing import hostile, sounds
from stt_testing.films import Track, film

LOW = 450


def sphere() -> bytes:
    """NIST's, as speech corpora come: a header of text, then samples."""
    head = (
        "NIST_1A\n   1024\nchannel_count -i 1\nsample_count -i 32000\nsample_rate -i 16000\n"
        "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\n"
        "sample_coding -s3 pcm\nend_head\n"
    )
    return head.encode().ljust(1024) + tone(LOW, 2).tobytes()


def dsp_group() -> bytes:
    """A voice recorder's AMR with its header, which has no container."""
    return film("amr", Track(tone(LOW, 2), "libopencore_amrnb", rate=8_000))


def made(container: str, codec: str, rate: int = 48_000, layout: str = "mono", picture: str = "") -> bytes:
    samples = tone(LOW, 2)
    sides = np.stack([samples] * 2, 1) if layout == "stereo" else samples
    track = Track(sides, codec, rate=rate, layout=layout)
    return film(container, track, picture=picture, seconds=2 if picture else 0)


OPEN: dict[str, Callable[[], bytes]] = {
    "mxf": lambda: made("mxf", "pcm_s16le", picture="mpeg2video"),
    "wv": lambda: made("wv", "wavpack"),
    "tta": lambda: made("tta", "tta"),
    "voc": lambda: made("voc", "pcm_u8", 16_000),
    "sph": sphere,
    "rm": lambda: made("rm", "ac3", 44_100),
    "nut": lambda: made("nut", "aac"),
    "latm": lambda: made("latm", "aac"),
    "gxf": lambda: made("gxf", "pcm_s16le", picture=""),
    "wtv": lambda: made("wtv", "mp2", picture="mpeg2video"),
    "ircam": lambda: made("ircam", "pcm_s16le", 16_000),
    "sox": lambda: made("sox", "pcm_s32le", 16_000),
    "au": lambda: made("au", "pcm_mulaw", 8_000),
    "w64": lambda: made("w64", "pcm_s16le", 16_000),
    "caf": lambda: made("caf", "alac"),
    "aiff": lambda: made("aiff", "pcm_s16be"),
    "ast": lambda: made("ast", "pcm_s16be_planar"),
    "ac3": lambda: made("ac3", "ac3"),
    "eac3": lambda: made("eac3", "eac3"),
    "mp2": lambda: made("mp2", "mp2"),
    "amr": dsp_group,
    "3gp": lambda: film("3gp", Track(tone(LOW, 2), "libopencore_amrnb", rate=8_000)),
    "swf": lambda: made("swf", "libmp3lame", 44_100),
    "wma": lambda: made("asf", "wmav2", 44_100, "stereo"),
    "vob": lambda: made("vob", "ac3", picture="mpeg2video"),
}


@pytest.mark.parametrize("kind", OPEN)
def test_what_ffmpeg_opens_is_opened(kind: str) -> None:
    ((first, last),) = spans(heard(OPEN[kind]()), LOW)
    assert first == pytest.approx(0, abs=0.15) and last - first == pytest.approx(2, abs=0.15)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 1000)
    return out.getvalue()


ASF_DRM = (
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    + struct.pack("<QIBB", 100, 1, 1, 2)
    + bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    + bytes(100)
)

REFUSED = {
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(2000): "a PDF document",
    hostile.picture(4): "a PNG picture",
    b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(2000): "a JPEG picture",
    b"GIF89a" + bytes(2000): "a GIF picture",
    b"\0\0\0\x18ftypheic" + bytes(2000): "a HEIC picture",
    zipped("notes.txt"): "a ZIP archive",
    zipped("word/document.xml"): "a Word document",
    b"Rar!\x1a\x07\x01\0" + bytes(99): "a RAR archive",
    b"\x1f\x8b\x08\0" + bytes(99): "a gzip archive",
    b"MThd\0\0\0\x06" + bytes(99): "a MIDI file",
    b"\x7fELF" + bytes(99): "a program",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n": "an HLS playlist",
    b"#EXTM3U\nsong.mp3\n": "an M3U playlist",
    b"[playlist]\nFile1=http://localhost/\n": "a PLS playlist",
    b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">': "a DASH manifest",
    b"ffconcat version 1.0\nfile /etc/hostname\n": "an FFmpeg concat script",
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\n": "a session description",
    b"WEBVTT\n\n00:00.000 --> 00:01.000\nWords\n": "a subtitle file",
    b"1\n00:00:00,000 --> 00:00:01,000\nWords\n": "a subtitle file",
    b"<!DOCTYPE html>\n<html><body>Sign in</body></html>": "a web page",
    b'{"error": {"message": "not found"}}': "JSON",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a Git LFS pointer",
    b"It was a bright cold day in April.\n" * 100: "text",
    "Письмо\n".encode("utf-16"): "text",
    bytes(5000): "nothing but zeros",
    ASF_DRM: "protected by Windows Media DRM",
    b"\0\0\0\x20ftypaax \0\0\0\0" + bytes(99): "protected by Audible's DRM",
    b"\0\1\2\3\x57\x90\x75\x36" + bytes(99): "protected by Audible's DRM",
    tone(LOW, 1).tobytes(): "samples without a header",
}
"""Content -> what it is said to be."""


@pytest.mark.parametrize(("file", "what"), list(REFUSED.items()), ids=[what for what in REFUSED.values()])
def test_what_is_no_sound_is_named(file: bytes, what: str) -> None:
    with pytest.raises(AudioError) as caught:
        list(AudioFile(io.BytesIO(file)).blocks())
    assert what in caught.value.message and caught.value.message.endswith(".")


NO_SOUND = (
    "adf alias_pix anm apng apv aqtitle ass av1 avs2 avs3 bin brender_pix cavsvideo cdg cine dirac "
    "dnxhd dvbsub dvbtxt  evc ffmetadata filmstrip fits flic frm gif h261 h263 h264 hevc ico idf image2 "
    "image2pipe ingenient ipu iv8 ivf  jacosub jpegxl_anim lrc m4v mcc mgsts microdvd mjpeg mjpeg_2000 "
    "mpegvideo mpjpeg mpl2 mpsub msnwctcp msp nc obu pdv pjs rawvideo rcwt realtext sami scc ser "
    "simbiosis_imx srt stl subviewer subviewer1 sup tedcaptions tty txd v210 v210x vc1 vc1test vobsub "
    "vplayer vvc webvtt xbin yuv4mpegpipe"
)
OPEN_OTHERS = (
    "hls concat webm_dash_manifest sbg lavfi alsa oss fbdev kmsgrab x11grab rtp rtsp sap sdp video4linux2 v4l2"
)
NO_HEADER = (
    "alaw mulaw f32be f32le f64be f64le s16be s16le s24be s24le s32be s32le s8 u16be u16le u24be u24le "
    "u32be u32le u8  vidc aptx aptx_hd bitpacked codec2raw daud data dfpwm g722 g723_1 g726 g726le g728 "
    "g729 sbc sln mpegtsraw"
)
OTHERWISE = "aa iamf asf_o"
"""Encrypted; a sound in pieces that are no tracks, of which one would be heard; the same as asf."""
SAME = "mp4 m4a 3gp 3g2 mj2 webm"
"""Other names of mov and matroska."""


def test_every_demuxer_is_judged() -> None:
    """A new one in PyAV must be looked at before it may be opened."""
    known = {
        part for name in av.formats_available if _reads(name) for part in av.ContainerFormat(name, "r").name.split(",")
    }
    refused = set(f"{NO_SOUND} {OPEN_OTHERS} {NO_HEADER} {OTHERWISE} {SAME}".split())
    refused |= {name for name in known if name.endswith("_pipe")}
    assert not refused & set(OPENED)
    assert known - refused == set(OPENED) & known
    assert len(OPENED) == len(set(OPENED)) and not set(OPENED) - known


def _reads(name: str) -> bool:
    try:
        return av.ContainerFormat(name, "r").is_input
    except ValueError:
        return False


def test_noise_is_no_format() -> None:
    chance = np.random.default_rng(0)
    for size in (999, 20_000, 300_000):
        with pytest.raises(AudioError, match="cannot be read"):
            list(AudioFile(io.BytesIO(chance.bytes(size))).blocks())


def test_the_content_decides_not_the_name() -> None:
    assert spans(heard(sounds.encoded("wav", sounds.wav(tone(LOW, 2)))), LOW)
