"""Who speaks when within ten seconds: pyannote's segmentation-3.0, for up to three speakers, two at a time.

The network is PyanNet (Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023; MIT):
learned band-pass filters, convolutions, four bidirectional LSTMs, two linear layers. Its classes are a
powerset of the speakers (Plaquet and Bredin, "Powerset multi-class cross entropy loss", Interspeech 2023).
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stt_core.audio import SAMPLE_RATE

_TAPS = 251
_LOWEST = 50.0
_NARROWEST = 50.0
"""Hertz, of the band-pass filters."""


class Segmentation:
    """The network, for inference."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights: the state dict. Raises KeyError or RuntimeError where they are another network's."""
        self._filters = band_passes(
            weights["sincnet.conv1d.0.filterbank.low_hz_"], weights["sincnet.conv1d.0.filterbank.band_hz_"]
        )
        self._input = (weights["sincnet.wav_norm1d.weight"], weights["sincnet.wav_norm1d.bias"])
        self._convolutions = [
            (weights[f"sincnet.conv1d.{n}.weight"], weights[f"sincnet.conv1d.{n}.bias"]) for n in (1, 2)
        ]
        self._norms = [(weights[f"sincnet.norm1d.{n}.weight"], weights[f"sincnet.norm1d.{n}.bias"]) for n in range(3)]
        self._lstm = nn.LSTM(60, 128, 4, batch_first=True, bidirectional=True).eval().requires_grad_(False)
        self._lstm.load_state_dict({k.removeprefix("lstm."): v for k, v in weights.items() if "lstm." in k})
        self._linear = [(weights[f"linear.{n}.weight"], weights[f"linear.{n}.bias"]) for n in (0, 1)]
        self._classifier = (weights["classifier.weight"], weights["classifier.bias"])

    def __call__(self, windows: Tensor) -> Tensor:
        """Probabilities of the classes: shape (windows, FRAMES, 7), of shape (windows, WINDOW)."""
        x = F.instance_norm(windows[:, None], weight=self._input[0], bias=self._input[1])
        x = F.conv1d(x, self._filters, stride=10).abs_()
        x = F.leaky_relu_(F.instance_norm(F.max_pool1d(x, 3), weight=self._norms[0][0], bias=self._norms[0][1]))
        for convolution, norm in zip(self._convolutions, self._norms[1:], strict=True):
            x = F.max_pool1d(F.conv1d(x, *convolution), 3)
            x = F.leaky_relu_(F.instance_norm(x, weight=norm[0], bias=norm[1]))
        x, _ = self._lstm(x.transpose(1, 2).contiguous())
        for layer in self._linear:
            x = F.leaky_relu_(F.linear(x, *layer))
        return F.softmax(F.linear(x, *self._classifier), -1)


def band_passes(low: Tensor, band: Tensor) -> Tensor:
    """SincNet's filters from their edges in hertz: shape (2 x bands, 1, taps), in phase, then in quadrature.

    Ideal band-passes under a Hamming window (Ravanelli and Bengio, "Speaker recognition from raw waveform
    with SincNet", SLT 2018), with their Hilbert pairs (Pariente et al., "Filterbank design", ICASSP 2020).
    """
    first = _LOWEST + low.abs()
    last = (first + _NARROWEST + band.abs()).clamp(_LOWEST, SAMPLE_RATE / 2)
    half = _TAPS // 2
    time = torch.arange(1, half + 1) / SAMPLE_RATE
    window = torch.from_numpy(np.hamming(_TAPS)[half + 1 :]).float()
    phase = 2 * math.pi * time
    even = window * (torch.sin(last * phase) - torch.sin(first * phase)) / (phase / 2)
    odd = window * (torch.cos(first * phase) - torch.cos(last * phase)) / (phase / 2)
    middle = 2 * (last - first)
    in_phase = torch.cat([even.flip(1), middle, even], 1)
    quadrature = torch.cat([-odd.flip(1), torch.zeros_like(middle), odd], 1)
    return (torch.cat([in_phase, quadrature]) / middle.repeat(2, 1))[:, None]
