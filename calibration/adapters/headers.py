"""Check a folder that PEFT saved by its configuration and its header alone: before a weight is loaded or a base is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibration.adapters.base import BaseShape
from calibration.adapters.factors import check_shapes
from calibration.adapters.settings import LoraSettings, read_settings
from calibration.adapters.targets import check_coverage, expected_targets
from calibration.adapters.tensors import PairedTensors, read_pairs, weights_file


@dataclass(frozen=True, slots=True)
class CheckedHeaders:
    """One adapter before a weight is loaded: its settings, its tensors in pairs, the linears that it declares."""

    settings: LoraSettings
    tensors: PairedTensors
    declared: list[str]


def check_headers(peft_dir: Path, *, base: BaseShape) -> CheckedHeaders:
    """Check configuration, keys, coverage and shapes of a folder: all that needs neither a weight nor the base's digest.

    Raises:
        ExportError: the folder holds something that a device cannot carry, or lacks something.
    """
    settings = read_settings(peft_dir)
    tensors = read_pairs(weights_file(peft_dir), is_activated=bool(settings.invocation))
    declared = expected_targets(settings, base=base, generation=tensors.generation)
    check_coverage(tensors.pairs, declared=declared, base=base, generation=tensors.generation, file=tensors.file)
    check_shapes(tensors, settings=settings, base=base)
    return CheckedHeaders(settings, tensors, declared)
