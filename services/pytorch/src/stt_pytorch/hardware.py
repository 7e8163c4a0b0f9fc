"""What the model runs on."""

from typing import TYPE_CHECKING

from stt_core.errors import StartError

if TYPE_CHECKING:
    import torch

DEVICES = ("cuda", "mps", "cpu")
"""The first that the machine has is taken where none is named."""
TYPES = ("float32", "float16", "bfloat16")


class Hardware:
    """The device and the type of number that were asked for; those really taken, once `choose` was called.

    device: cuda, mps, cpu or auto. compute_type: of TYPES; any other, as `auto`, means float16 on a GPU of
    NVIDIA's, which halves its memory, and float32 elsewhere: processors are slower with half of it.
    """

    def __init__(self, device: str, compute_type: str, threads: int) -> None:
        self.device = device
        self.compute_type = compute_type
        self._threads = threads

    def choose(self) -> tuple["torch.device", "torch.dtype"]:
        """Raises StartError for a device that is not there. Imports torch."""
        import torch

        there = {
            "cuda": torch.cuda.is_available(),
            "mps": torch.backends.mps.is_available(),
            "cpu": True,
        }
        if self.device == "auto":
            self.device = next(device for device in DEVICES if there[device])
        if not there.get(self.device, False):
            known = ", ".join(device for device in DEVICES if there[device])
            raise StartError(
                f"There is no {self.device} here, only {known}; set STT_DEVICE to one of these, or to auto."
            )
        if self.compute_type not in TYPES:
            self.compute_type = "float16" if self.device == "cuda" else "float32"
        torch.set_num_threads(self._threads)
        return torch.device(self.device), getattr(torch, self.compute_type)
