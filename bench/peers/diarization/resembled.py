"""Resemblyzer's voices and spectral clustering: `python -m bench.peers.diarization.resembled THREADS`.

As Resemblyzer's own example and SpectralCluster's documentation have it: embeddings of 1.6 s, 16 in a second, clustered
with the settings of their paper (Wang et al., "Speaker diarization with LSTM", ICASSP 2018), where WebRTC's detector,
by which Resemblyzer trims silence, hears speech. One speaker at a time. It runs in the peers' environment, and answers
as bench.diarization.opened does.
"""

import json
import sys
from itertools import pairwise

import numpy as np
import torch
import webrtcvad
from numpy.typing import NDArray
from resemblyzer import VoiceEncoder
from resemblyzer.hparams import sampling_rate, vad_max_silence_length, vad_moving_average_width, vad_window_length
from scipy.ndimage import binary_dilation
from spectralcluster import configs

from bench import warm
from bench.diarization.samples import mapped

RATE = 16
"""Embeddings a second."""
LEAST, MOST = 2, 8
"""Speakers that the clustering may find: without a floor it finds one in most."""


def main() -> int:
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    encoder = VoiceEncoder("cpu", verbose=False)

    def diarize(audio: str, speakers: int | None = None) -> str:
        return json.dumps(turns(encoder, mapped(audio), speakers))

    warm.answer(torch.get_num_threads(), diarize)
    return 0


def turns(encoder: VoiceEncoder, samples: NDArray[np.int16], speakers: int | None) -> list[list[object]]:
    spoken = speech(samples)
    if not spoken.any():
        return []
    _, voices, windows = encoder.embed_utterance(samples.astype(np.float32) / 32768, return_partials=True, rate=RATE)
    middles = np.array([(window.start + window.stop) // 2 for window in windows])
    heard = spoken[np.minimum(middles, len(samples) - 1)]
    if not heard.any():
        return []
    clusterer = configs.icassp2018_clusterer
    clusterer.min_clusters, clusterer.max_clusters = speakers or LEAST, speakers or MOST
    labels = clusterer.predict(voices[heard])
    nearest = np.searchsorted((middles[heard][1:] + middles[heard][:-1]) / 2, np.arange(0, len(samples), 160))
    who = np.where(spoken[::160][: len(nearest)], labels[nearest], -1)
    edges = np.flatnonzero(np.diff(who, prepend=-2, append=-2))
    return [[int(first) / 100, int(last) / 100, f"{who[first]}"] for first, last in pairwise(edges) if who[first] >= 0]


def speech(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which samples are speech: as resemblyzer.audio.trim_long_silences has it, without cutting the rest out."""
    window = vad_window_length * sampling_rate // 1000
    detector = webrtcvad.Vad(mode=3)
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    flags = np.array([detector.is_speech(frame.tobytes(), sampling_rate) for frame in frames], float)
    padded = np.pad(flags, ((vad_moving_average_width - 1) // 2, vad_moving_average_width // 2))
    smooth = np.convolve(padded, np.ones(vad_moving_average_width) / vad_moving_average_width, "valid")
    wide = binary_dilation(np.round(smooth).astype(bool), np.ones(vad_max_silence_length + 1))
    return np.pad(np.repeat(wide, window), (0, len(samples) - window * len(wide)))


if __name__ == "__main__":
    sys.exit(main())
