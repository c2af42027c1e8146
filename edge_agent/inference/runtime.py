"""Open and compile OpenVINO models: the one place that translates the runtime's exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.errors import InferenceError, RejectedError
from edge_agent.inference.memory import MappedFiles, trim_heap

_DRIVER = "GPU_DRIVER_VERSION"
Tensors = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs a bundle; never what the bundle says.

    ``strict`` is for integrity checks: f32 arithmetic and KV cache, no dynamic quantisation. ``threads`` None or 0 leaves
    the choice to OpenVINO; ``cache_dir`` None compiles at every start. ``precision`` of the arithmetic, ``kv_precision``
    of the cache and ``activation_group_size`` (values per scale, 0: activations stay as they are) are the device
    profile's; None leaves each to OpenVINO, and ``strict`` overrules them.

    Off switches of the optimisations: ``reuse_prefix``, ``skip_forced``, ``batch_views``, ``share_a`` (linears that read
    one tensor share one product with the adapters' A), ``gather_head`` (logits of the wanted positions only),
    ``prefill_chunk`` (most tokens of one pass, rows x columns: less memory, more time; None: one pass, padding
    included),
    ``split_windows`` (windowed vision blocks attend inside their windows), ``stack_projections`` (q, k and v are one
    product), ``lookup_embeddings`` (text embeddings are rows of the mapped file, not a compiled model),
    ``release_weights`` (models pack their weights while loading, and the files' pages are let go).

    ``release_vision`` drops the vision models when an agent begins and compiles them again for the next picture: less
    memory, more seconds. ``release_vision_below_bytes`` does so only when less than this is available; None: never.

    ``vision_precision`` and ``vision_activation_group_size`` are the vision tower's own, where set: with AVX-512 VNNI, f32 with
    groups of 128 took the tower of the 0.6b shape 0.9 of bf16's time, as near to f32; the language model's prefill takes
    longer so.
    """

    device: str = "CPU"
    threads: int | None = None
    strict: bool = False
    reuse_prefix: bool = True
    skip_forced: bool = True
    batch_views: bool = True
    split_windows: bool = True
    stack_projections: bool = True
    share_a: bool = True
    gather_head: bool = True
    prefill_chunk: int | None = 2048
    lookup_embeddings: bool = True
    release_weights: bool = True
    release_vision: bool = False
    release_vision_below_bytes: int | None = None
    cache_dir: Path | None = None
    precision: str | None = None
    kv_precision: str | None = None
    activation_group_size: int | None = None
    vision_precision: str | None = None
    vision_activation_group_size: int | None = None

    def careful(self) -> EngineSettings:
        """Return these settings in f32, with every optimisation off that saves time.

        What saves memory stays: the last try at a case must not fail for want of it.
        """
        return replace(
            self,
            strict=True,
            reuse_prefix=False,
            skip_forced=False,
            batch_views=False,
            split_windows=False,
            stack_projections=False,
            share_a=False,
        )

    def of_vision(self) -> EngineSettings:
        """Return the settings that the vision tower is compiled with."""
        group = self.vision_activation_group_size
        return replace(
            self,
            precision=self.vision_precision or self.precision,
            activation_group_size=self.activation_group_size if group is None else group,
        )

    def properties(self) -> dict[str, str]:
        """Return the OpenVINO compile properties for these settings."""
        out = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
        # The GPU plugin knows no such property and refuses to compile with it.
        # Source: OpenVINO, src/plugins/intel_gpu/include/intel_gpu/runtime/options.inl
        if self.threads and self.device == "CPU":
            out["INFERENCE_NUM_THREADS"] = str(self.threads)
        if self.cache_dir is not None:
            out["CACHE_DIR"] = str(self.cache_dir)
        wishes = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "KV_CACHE_PRECISION": self.kv_precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": self.activation_group_size,
        }
        out |= {name: str(value) for name, value in wishes.items() if value is not None}
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


@cache
def shared_core() -> ov.Core:
    """Return this process's one OpenVINO core, which is never given up.

    OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own, and frees that stack when the last user
    of the core goes. Where two cores go in the order in which they came, or one goes in another thread, the first thread is
    left with a freed stack: its next SIGTERM or Ctrl-C ends the process at once, with SIGSEGV and without a word. One core
    that stays cannot do that.

    Source: OpenVINO, src/plugins/intel_cpu/src/cpu_special_setup (SigAltStackSetup); seen with OpenVINO 2026.4.1;
    CPython's signal handlers run on that stack (SA_ONSTACK) since 3.10.
    """
    return ov.Core()


class Runtime:
    """This process's OpenVINO core with its settings. Not thread-safe."""

    def __init__(self, settings: EngineSettings) -> None:
        self._core = shared_core()
        self.settings = settings
        self.mapped = MappedFiles()

    def read(self, path: Path) -> ov.Model:
        """Read an IR without compiling it.

        Raises:
            RejectedError: the file is not an IR that this OpenVINO reads.
        """
        self.mapped.add(path.with_suffix(".bin"))
        with translated(f"{path.name} cannot be read; install the bundle again", error=RejectedError):
            return self._core.read_model(path)

    def request(self, model: ov.Model | Path, *, settings: EngineSettings | None = None) -> ov.InferRequest:
        """Compile a model and return its one infer request.

        Args:
            model: as read, or its path.
            settings: another arithmetic for this model; None: the runtime's own.

        Raises:
            InferenceError: the device cannot run it (an x86 CPU needs AVX2).
        """
        if isinstance(model, Path):
            model = self.read(model)
        wanted = settings or self.settings
        name, device = model.get_friendly_name(), wanted.device
        with translated(f"{name} does not compile for {device} (an x86 CPU needs AVX2)"):
            compiled = self._core.compile_model(model, device, wanted.properties())
            return compiled.create_infer_request()

    def settle(self, *, first_run: Callable[[], None] | None = None) -> None:
        """Return what the loaded models do not need to the system, unless ``release_weights`` is off.

        Args:
            first_run: runs a model once, so that it packs its weights; their file is let go meanwhile.

        Raises:
            InferenceError: the model does not run.
        """
        if not self.settings.release_weights:
            return
        if first_run is None:
            self.mapped.drop()
        else:
            with self.mapped.dropping():
                first_run()
        trim_heap()


def describe_device(device: str) -> str:
    """Return a device's full name and, where its plugin tells one, its driver's version; loads the plugin.

    Raises:
        InferenceError: OpenVINO finds no such device here.
    """
    core = shared_core()
    with translated(f"OpenVINO finds no device {device}"):
        name = str(core.get_property(device, "FULL_DEVICE_NAME"))
        told = core.get_property(device, "SUPPORTED_PROPERTIES")
        driver = str(core.get_property(device, _DRIVER)) if _DRIVER in told else ""
    return f"{name}, driver {driver}" if driver else name


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
