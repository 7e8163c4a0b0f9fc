"""A voice as a vector: CAM++, trained by 3D-Speaker on 200,000 speakers of Chinese and English.

The network: Wang et al., "CAM++: a fast and efficient network for speaker verification using context-aware
masking", Interspeech 2023; weights Apache-2.0. Batch normalisations that follow a convolution are folded in.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

DIMENSION = 192
_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Densely connected layers of each block, and their dilation."""
_GROWTH = 32
"""Channels that each layer adds."""
_PIECE = 100
"""Frames over which a layer's local context is taken."""
_EPSILON = 1e-5


class SpeakerNetwork:
    """The network, for inference."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights: the state dict. Raises KeyError where they are another network's."""
        self._first = _folded(weights, "head.conv1", "head.bn1")
        self._residuals = [_Residual(weights, f"head.layer{layer}.{block}") for layer in (1, 2) for block in (0, 1)]
        self._last = _folded(weights, "head.conv2", "head.bn2")
        self._tdnn = _folded(weights, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm")
        self._blocks = [
            [_Dense(weights, f"xvector.block{n}.tdnnd{layer}", dilation) for layer in range(1, layers + 1)]
            for n, (layers, dilation) in enumerate(_BLOCKS, 1)
        ]
        self._transits = [
            (
                _scale(weights, f"xvector.transit{n}.nonlinear.batchnorm"),
                weights[f"xvector.transit{n}.linear.weight"],
            )
            for n in range(1, len(_BLOCKS) + 1)
        ]
        self._out = _scale(weights, "xvector.out_nonlinear.batchnorm")
        self._dense = _folded(weights, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")

    def __call__(self, features: Tensor) -> Tensor:
        """Shape (clips, DIMENSION), of shape (clips, frames, 80): energies less their mean over the clip."""
        x = features.transpose(1, 2)[:, None]
        x = F.conv2d(x, *self._first, padding=1).relu_()
        for residual in self._residuals:
            x = residual(x)
        x = F.conv2d(x, *self._last, stride=(2, 1), padding=1).relu_()
        x = F.conv1d(x.flatten(1, 2), *self._tdnn, stride=2, padding=2).relu_()
        for layers, (norm, weight) in zip(self._blocks, self._transits, strict=True):
            width = x.shape[1]
            wide = x.new_empty(x.shape[0], width + _GROWTH * len(layers), x.shape[2])
            wide[:, :width] = x
            for layer in layers:
                wide[:, width : width + _GROWTH] = layer(wide[:, :width])
                width += _GROWTH
            x = F.conv1d(_normed(wide, norm), weight)
        x = _normed(x, self._out)
        x = torch.cat([x.mean(-1), x.std(-1)], 1)
        return F.conv1d(x[:, :, None], *self._dense)[:, :, 0]


class _Residual:
    """Two convolutions beside a shortcut."""

    def __init__(self, weights: Mapping[str, Tensor], name: str) -> None:
        self._first = _folded(weights, f"{name}.conv1", f"{name}.bn1")
        self._second = _folded(weights, f"{name}.conv2", f"{name}.bn2")
        self._halves = f"{name}.shortcut.0.weight" in weights
        if self._halves:
            self._shortcut = _folded(weights, f"{name}.shortcut.0", f"{name}.shortcut.1")

    def __call__(self, x: Tensor) -> Tensor:
        stride = (2, 1) if self._halves else (1, 1)
        shortcut = F.conv2d(x, *self._shortcut, stride=stride) if self._halves else x
        x = F.conv2d(x, *self._first, stride=stride, padding=1).relu_()
        return F.conv2d(x, *self._second, padding=1).add_(shortcut).relu_()


class _Dense:
    """A convolution whose output is masked by its context: the clip's mean plus that of each piece of it."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, dilation: int) -> None:
        self._norm = _scale(weights, f"{name}.nonlinear1.batchnorm")
        self._narrow = _folded(weights, f"{name}.linear1", f"{name}.nonlinear2.batchnorm")
        self._local = weights[f"{name}.cam_layer.linear_local.weight"]
        self._context = [
            (weights[f"{name}.cam_layer.{layer}.weight"], weights[f"{name}.cam_layer.{layer}.bias"])
            for layer in ("linear1", "linear2")
        ]
        self._dilation = dilation

    def __call__(self, x: Tensor) -> Tensor:
        x = F.conv1d(_normed(x, self._norm), *self._narrow).relu_()
        pieces = x.mean(-1, keepdim=True) + F.avg_pool1d(x, _PIECE, _PIECE, ceil_mode=True)
        mask = F.conv1d(F.conv1d(pieces, *self._context[0]).relu_(), *self._context[1]).sigmoid_()
        y = F.conv1d(x, self._local, padding=self._dilation, dilation=self._dilation)
        return y.mul_(mask.repeat_interleave(_PIECE, -1)[..., : y.shape[-1]])


def _scale(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch normalisation as what it multiplies and adds: each of shape (channels,)."""
    mean = weights[f"{name}.running_mean"]
    scale = (weights[f"{name}.running_var"] + _EPSILON).rsqrt()
    if f"{name}.weight" not in weights:
        return scale, -mean * scale
    scale = scale * weights[f"{name}.weight"]
    return scale, weights[f"{name}.bias"] - mean * scale


def _folded(weights: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch normalisation that follows it."""
    scale, shift = _scale(weights, norm)
    weight = weights[f"{convolution}.weight"]
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), shift


def _normed(x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
    return torch.addcmul(norm[1][:, None], x, norm[0][:, None]).relu_()
