"""ONNX models, opened so that several share two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .stages import imported


def session(file: Path, threads: int = 1) -> Any:
    """An onnxruntime session on the CPU. Its idle threads do not spin: spinning costs the other engines their core."""
    onnxruntime = imported("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without AVX-512 VNNI products of 8 bits overflow otherwise: Smart Turn was sure of the end of half a sentence (0.91).
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
