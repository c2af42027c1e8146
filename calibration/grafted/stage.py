"""Compress a language model on calibration cases, in a process of its own with a fixed number of threads.

A process of its own, because the linear algebra takes its thread count when it is loaded and OpenVINO from the CPUs that
the process may use; GPTQ's result depends on both. What was captured lives and ends with it. Run as
``python -m calibration.grafted.stage``: the request as JSON on stdin, the result as JSON on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from calibration.export import quiet_vendors
from calibration.recipe import Recipe
from edge_agent.contracts.manifest import AdapterSpec, Backbone, CensusRow, Manifest, Strict
from edge_agent.errors import CompressionError, EdgeError

if TYPE_CHECKING:
    from calibration.grafted.capture import CaptureRecord
    from calibration.grafted.figures import AdapterError
    from edge_agent.inference.adapters import Adapter

_PR_SET_PDEATHSIG = 1  # Source: prctl(2)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FIGURE_DIGITS = 4
MAX_CASES = 256  # calibration cases; golden cases are fewer, since every device replays them


class AdapterFolder(Strict):
    """Adapters as files: where they lie and what they declare."""

    folder: Path
    adapters: list[AdapterSpec]


class StageRequest(Strict):
    """What to compress.

    ``manifest``: FP32 parts and FP32 adapters (``calibration.grafted.provisional``). ``cases``: a folder as
    ``golden/``. ``built``: the same adapters as the bundle holds them. ``later``, ``later_built``: adapters of the same
    backbone that the compression shall not see, FP32 and as a bundle holds them. ``target``: the ``.xml`` to write.
    ``scratch``: on a disk with room; nothing appears there.
    """

    recipe: Recipe
    manifest: Manifest
    cases: Path
    built: AdapterFolder
    later: AdapterFolder | None = None
    later_built: AdapterFolder | None = None
    target: Path
    scratch: Path


class StageResult(Strict):
    """The census rows and, for the manifest's metrics, what was looked at and how far every adapter is off."""

    census: list[CensusRow]
    record: dict[str, Any]


def run_in_child(request: StageRequest) -> StageResult:
    """Run the stage in a process with the recipe's number of threads.

    Raises:
        CompressionError: more threads than CPUs, the stage's own error, or the process ended without a result.
    """
    calibration = request.recipe.calibration
    if calibration is None:
        raise CompressionError(f"the recipe {request.recipe.name} looks at nothing; compress it without cases")
    cpus = len(os.sched_getaffinity(0))
    if calibration.threads > cpus:
        raise CompressionError(
            f"the recipe {request.recipe.name} fixes {calibration.threads} threads, this process has {cpus} CPUs; lower "
            "calibration.threads or build on a larger computer"
        )
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment |= dict.fromkeys(_THREAD_VARIABLES, str(calibration.threads))
    done = subprocess.run(
        [sys.executable, "-m", "calibration.grafted.stage"],
        input=request.model_dump_json().encode(),
        stdout=subprocess.PIPE,
        env=environment,
        check=False,
    )
    return _result(done)


def _result(done: subprocess.CompletedProcess[bytes]) -> StageResult:
    if done.returncode == -signal.SIGKILL:
        raise CompressionError("the compression was killed, probably for lack of memory; close other programs")
    try:
        document = json.loads(done.stdout)
        if "error" in document:
            raise CompressionError(document["error"])
        return StageResult.model_validate(document)
    except (ValueError, ValidationError) as exc:
        raise CompressionError(f"the compression ended with code {done.returncode} and no result; see above") from exc


def run_stage(request: StageRequest) -> StageResult:
    """Capture, compress and measure, in this process and with its threads.

    Raises:
        CompressionError: a case, NNCF's refusal, or a tensor that is not what the recipe declares.
        EdgeError: a part cannot be read, or the engine failed.
    """
    from calibration.golden import load_golden_source
    from calibration.grafted.capture import capture
    from calibration.grafted.captured import ArrayFile
    from calibration.grafted.compression import compress_through_graft
    from calibration.grafted.figures import Variant, measure
    from edge_agent.contracts.bundle import Bundle

    recipe, manifest = request.recipe, request.manifest
    threads = 1 if recipe.calibration is None else recipe.calibration.threads
    bundle = Bundle(path=Path("/"), manifest=manifest, signed_by="nobody: not a bundle")
    source = bundle.path_of("language_model.xml")
    folder = bundle.path_of(f"adapter.{manifest.adapters[0].name}.xml").parent if manifest.adapters else source.parent
    trained = _read(AdapterFolder(folder=folder, adapters=manifest.adapters), manifest.backbone)
    expected = Variant(source, trained, _read(request.later, manifest.backbone))
    found = Variant(
        request.target, _read(request.built, manifest.backbone), _read(request.later_built, manifest.backbone)
    )
    with ArrayFile(request.scratch) as inputs:
        cases, limit = load_golden_source(request.cases, limit=MAX_CASES), recipe.language_model.conversations
        seen = capture(bundle, cases, into=inputs, limit=limit, threads=threads)
        census = compress_through_graft(source, request.target, adapters=trained, inputs=inputs, recipe=recipe)
        errors = measure(expected, found, inputs=inputs, folder=request.scratch, threads=threads)
    return StageResult(census=census, record=_record(seen, errors, cases=request.cases.name, threads=threads))


def _read(source: AdapterFolder | None, backbone: Backbone) -> list[Adapter]:
    """Read adapters in the order of their declarations, which is the order of the gate's columns."""
    import openvino as ov

    from edge_agent.inference.adapters import read_adapter

    core = ov.Core()
    specs = [] if source is None else source.adapters
    folder = Path() if source is None else source.folder
    return [
        read_adapter(core.read_model(folder / f"adapter.{one.name}.xml"), spec=one, backbone=backbone) for one in specs
    ]


def _record(seen: CaptureRecord, errors: Sequence[AdapterError], *, cases: str, threads: int) -> dict[str, Any]:
    """Return what the manifest says about it: counts and errors, nothing of any case."""
    rows = {
        one.label: {
            "logits": round(one.logits, _FIGURE_DIGITS),
            "argmax": round(one.argmax, _FIGURE_DIGITS),
            "positions": one.positions,
            "linears": {path: round(value, _FIGURE_DIGITS) for path, value in one.linears.items()},
        }
        for one in errors
    }
    return {
        "source": cases,
        "cases": seen.cases,
        "conversations": seen.conversations,
        "tokens": seen.tokens,
        "threads": threads,
        "errors": rows,
    }


def main() -> int:
    """Read a request from stdin, run it on as many CPUs as the recipe says, write the result to stdout."""
    request = StageRequest.model_validate_json(sys.stdin.buffer.read())
    # Nobody is left to take the result if the parent is killed; and what was captured shall not outlive it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if request.recipe.calibration is not None:
        allowed = sorted(os.sched_getaffinity(0))[: request.recipe.calibration.threads]
        os.sched_setaffinity(0, allowed)
    document: dict[str, Any]
    try:
        with quiet_vendors():
            document = run_stage(request).model_dump(mode="json")
    except EdgeError as exc:
        document = {"error": str(exc)}
    sys.stdout.write(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
