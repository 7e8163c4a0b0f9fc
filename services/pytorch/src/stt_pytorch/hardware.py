"""What the model runs on."""

from dataclasses import dataclass

from stt_core.errors import StartError

DEVICES = ("cuda", "mps", "cpu")
"""The first that the machine has is taken where none is named."""
TYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Hardware:
    """device: of DEVICES. compute_type: of TYPES. threads: for a processor."""

    device: str
    compute_type: str
    threads: int


def hardware(device: str, compute_type: str, threads: int) -> Hardware:
    """What is meant by a device or `auto`, and by a type of number or anything else.

    The latter is float16 on a GPU of NVIDIA's, which halves its memory, and float32 elsewhere: processors are
    slower with half of it. Raises StartError for a device that is not there.
    """
    if device != "cpu":
        device = _found(device)
    if compute_type not in TYPES:
        compute_type = "float16" if device == "cuda" else "float32"
    return Hardware(device, compute_type, threads)


def cuda() -> bool:
    """Whether PyTorch could use a card of NVIDIA's, wherever the model is."""
    import torch

    return torch.cuda.is_available()


def _found(asked: str) -> str:
    import torch  # slow, and the processor is always there

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    devices = [device for device in DEVICES if there[device]]
    if asked == "auto":
        return devices[0]
    if asked not in devices:
        raise StartError(
            f"There is no {asked} for PyTorch here, only {', '.join(devices)}; "
            "set STT_DEVICE to one of these, or to auto."
        )
    return asked
