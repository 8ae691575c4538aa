"""Where engines that run in torch compute, and what is said when they cannot."""

from __future__ import annotations

from .errors import ConfigError
from .stages import imported


def torch_device(device: str, setting: str) -> str:
    """`device` as torch names it: "auto" is a GPU where there is one, and the CPU otherwise. Raises ConfigError, with the
    name of the setting, for a device that is not there."""
    torch = imported("torch")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if gpus else "mps" if apple else "cpu"
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus)), *(["mps"] if apple else [])]
    if device not in there:
        without = "" if gpus else f", and torch {torch.__version__} sees no CUDA GPU (is it a build for CUDA, with its driver?)"
        raise ConfigError(f"{setting} = {device!r}: expected auto or {' or '.join(there)} on this machine{without}")
    return device
