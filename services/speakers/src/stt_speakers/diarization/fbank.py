"""Log mel filter bank energies as Kaldi computes them, which the speaker network was trained on."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from stt_core.audio import SAMPLE_RATE

SHIFT = 160
LENGTH = 400
"""Samples: 10 and 25 ms."""
BINS = 80
_FFT = 512
_LOWEST = 20.0
_PREEMPHASIS = 0.97


def fbank(samples: Tensor) -> Tensor:
    """Energies of whole frames: shape (frames, BINS), of shape (samples,); none where it is shorter than one.

    Kaldi's compute-fbank-feats without dither: each frame's mean taken off, pre-emphasis, Povey window, power
    spectrum, triangles on the mel scale from 20 Hz, natural logarithm.
    """
    if len(samples) < LENGTH:
        return samples.new_zeros(0, BINS)
    frames = samples.unfold(0, LENGTH, SHIFT)
    frames = frames - frames.mean(1, keepdim=True)
    previous = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    spectrum = torch.fft.rfft((frames - _PREEMPHASIS * previous) * _window(), _FFT)
    energies = torch.view_as_real(spectrum).square().sum(-1) @ _triangles()
    return energies.clamp_min(torch.finfo(torch.float32).eps).log()


@cache
def _window() -> Tensor:
    return torch.hann_window(LENGTH, periodic=False).pow(0.85)


@cache
def _triangles() -> Tensor:
    """Shape (FFT bins, BINS). The bin at the Nyquist frequency counts for nothing, as in Kaldi."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(_LOWEST), mel(SAMPLE_RATE / 2), BINS + 2)
    bins = mel(np.arange(_FFT // 2) * SAMPLE_RATE / _FFT)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return torch.from_numpy(np.concatenate([triangles, np.zeros((1, BINS))])).float()
