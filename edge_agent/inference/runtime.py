"""Open and compile OpenVINO models: the one place that translates the runtime's exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.errors import InferenceError, RejectedError

Tensors = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs a bundle; never what the bundle says.

    ``strict`` is for integrity checks: f32 arithmetic and KV cache, no dynamic quantisation. ``reuse_prefix``,
    ``skip_forced`` and ``batch_views`` are the off switches of the optimisations. ``threads`` None or 0 leaves the choice
    to OpenVINO; ``cache_dir`` None compiles at every start.
    """

    device: str = "CPU"
    threads: int | None = None
    strict: bool = False
    reuse_prefix: bool = True
    skip_forced: bool = True
    batch_views: bool = True
    cache_dir: Path | None = None

    def properties(self) -> dict[str, str]:
        """Return the OpenVINO compile properties for these settings."""
        out = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
        if self.threads:
            out["INFERENCE_NUM_THREADS"] = str(self.threads)
        if self.cache_dir is not None:
            out["CACHE_DIR"] = str(self.cache_dir)
        if self.strict:
            out |= {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
            out |= {"KV_CACHE_PRECISION": "f32"}
        return out


@contextmanager
def translated(doing: str, *, error: Callable[[str], Exception] = InferenceError) -> Iterator[None]:
    """Turn OpenVINO's RuntimeError into one line that says what was being done.

    Args:
        doing: the sentence's start, such as ``the vision tower cannot run``.
        error: the class to raise.

    Raises:
        InferenceError: or ``error``, when OpenVINO raised.
    """
    try:
        yield
    except RuntimeError as exc:
        reason = str(exc).strip().splitlines()
        raise error(f"{doing}: {reason[-1] if reason else 'no reason given'}") from exc


class Runtime:
    """One OpenVINO core and its settings. Not thread-safe; one per process."""

    def __init__(self, settings: EngineSettings) -> None:
        self._core = ov.Core()
        self._settings = settings

    def read(self, path: Path) -> ov.Model:
        """Read an IR without compiling it.

        Raises:
            RejectedError: the file is not an IR that this OpenVINO reads.
        """
        with translated(f"{path.name} cannot be read; install the bundle again", error=RejectedError):
            return self._core.read_model(path)

    def request(self, model: ov.Model | Path) -> ov.InferRequest:
        """Compile a model and return its one infer request.

        Raises:
            InferenceError: the device cannot run it (an x86 CPU needs AVX2).
        """
        if isinstance(model, Path):
            model = self.read(model)
        name, device = model.get_friendly_name(), self._settings.device
        with translated(f"{name} does not compile for {device} (an x86 CPU needs AVX2)"):
            compiled = self._core.compile_model(model, device, self._settings.properties())
            return compiled.create_infer_request()


def infer_outputs(
    request: ov.InferRequest, tensors: Tensors, *, names: Sequence[str], doing: str
) -> dict[str, NDArray[np.float32]]:
    """Run one request and copy the named outputs out.

    Args:
        request: a compiled model's request.
        tensors: inputs by name; shared with the runtime, not copied.
        names: the outputs.
        doing: what fails if this fails.

    Raises:
        InferenceError: the runtime refused the inputs or ran out of memory.
    """
    with translated(doing):
        request.infer(dict(tensors), share_inputs=True)
        return {name: np.array(request.get_tensor(name).data, dtype=np.float32) for name in names}


def infer(request: ov.InferRequest, tensors: Tensors, *, doing: str) -> NDArray[np.float32]:
    """Run one request and copy its first output out.

    Args:
        request: a compiled model's request.
        tensors: inputs by name; shared with the runtime, not copied.
        doing: what fails if this fails.

    Raises:
        InferenceError: the runtime refused the inputs or ran out of memory.
    """
    with translated(doing):
        request.infer(dict(tensors), share_inputs=True)
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)
