"""Import an adapter that PEFT saved: everything is checked before anything is built, and every tensor is used.

The order is cheap before dear: labels, configuration, keys, coverage, shapes, then values. Any doubt is an error that
names the file, the tensor and what to do: a mismatch that PEFT loads in silence ends as the bare backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calibration.adapters.base import BaseShape, read_base_shape
from calibration.adapters.factors import Pair, load_factors
from calibration.adapters.headers import check_headers
from calibration.adapters.ir import write_ir
from calibration.adapters.record import ImportRecord, file_digest, layers_by_linear
from calibration.adapters.settings import LoraSettings
from edge_agent.contracts.manifest import Activation, AdapterSpec, AgentName
from edge_agent.errors import ExportError

BASE_DIGEST_NAME = "base.sha256"
AGENT_NAME = "agent.txt"


@dataclass(frozen=True, slots=True)
class ImportedAdapter:
    """One adapter, checked and loaded: its factors by module path and the record of its import."""

    name: AgentName
    settings: LoraSettings
    pairs: Mapping[str, Pair]
    record: ImportRecord


def import_adapter(peft_dir: Path, *, name: AgentName, base: BaseShape, base_digest: str) -> ImportedAdapter:
    """Check a folder saved by PEFT against its base and load its factors; writes nothing and merges nothing.

    Args:
        peft_dir: ``adapter_config.json`` and ``adapter_model.safetensors``; ``base.sha256`` and ``agent.txt`` if noted.
        name: the agent that it is for.
        base: the backbone's shape.
        base_digest: the backbone's content digest.

    Raises:
        ExportError: the folder holds something that a device cannot carry, or lacks something; one message per cause.
    """
    is_noted = check_labels(peft_dir, name=name, base_digest=base_digest)
    headers = check_headers(peft_dir, base=base)
    settings, tensors, declared = headers.settings, headers.tensors, headers.declared
    pairs = load_factors(tensors, settings=settings)
    record = ImportRecord(
        adapter=name,
        file=tensors.file.name,
        file_sha256=file_digest(tensors.file),
        technique=settings.technique,
        dtype=tensors.dtype,
        key_generation=tensors.generation.name,
        remap=tensors.generation.remap,
        targets=layers_by_linear(pairs),
        ranks=tuple(sorted({pair.a.shape[0] for pair in pairs.values()})),
        base_digest=base_digest,
        base_noted=is_noted,
        tensors_in_file=tensors.count,
        tensors_used=2 * len(pairs),
        targets_declared=len(declared),
        targets_found=sum(path in pairs for path in declared),
    )
    if record.coverage != 1.0:
        raise RuntimeError(f"{tensors.file}: coverage {record.coverage} passed every check")
    return ImportedAdapter(name, settings, pairs, record)


def check_labels(peft_dir: Path, *, name: AgentName, base_digest: str) -> bool:
    """Hold the folder's own notes against what it is used for, and return whether it notes its base.

    Raises:
        ExportError: it was trained as another agent, or on another backbone.
    """
    label, note = peft_dir / AGENT_NAME, peft_dir / BASE_DIGEST_NAME
    if label.is_file() and (found := label.read_text(encoding="utf-8").strip()) != name:
        raise ExportError(f"{label}: it was trained as the adapter {found[:64]}, not {name}; give the right folder")
    if not note.is_file():
        return False
    if (found := note.read_text(encoding="utf-8").strip()) != base_digest:
        raise ExportError(
            f"{note}: the adapter {name} was trained on another backbone, whose content digest is {found[:12]}… and not "
            f"{base_digest[:12]}…; give that base, or train it on this one"
        )
    return True


def write_adapter(adapter: ImportedAdapter, *, out_dir: Path, precision: Literal["f32", "int8"]) -> AdapterSpec:
    """Write ``adapter.<name>.xml/.bin`` and return the manifest's declaration; ``files`` are names inside ``out_dir``.

    Args:
        adapter: what ``import_adapter`` returned.
        out_dir: must exist.
        precision: ``int8`` compresses each factor symmetrically per row with NNCF.

    Raises:
        CompressionError: NNCF left a factor uncompressed.
    """
    digest = adapter.record.base_digest
    write_ir(adapter.pairs, name=adapter.name, base_digest=digest, out_dir=out_dir, precision=precision)
    invocation = list(adapter.settings.invocation)
    return AdapterSpec(
        name=adapter.name,
        r=adapter.settings.r,
        alpha=float(adapter.settings.alpha),
        precision=precision,
        target_modules=sorted(adapter.pairs),
        base_digest=digest,
        activation=Activation(kind="invocation" if invocation else "always", invocation_token_ids=invocation),
        files=[f"adapter.{adapter.name}.xml", f"adapter.{adapter.name}.bin"],
    )


def build_adapter(
    peft_dir: Path,
    *,
    name: AgentName,
    base: Path,
    base_digest: str,
    out_dir: Path,
    precision: Literal["f32", "int8"] = "int8",
) -> AdapterSpec:
    """Import a folder saved by PEFT and write it as an adapter object; see ``import_adapter`` and ``write_adapter``.

    Args:
        peft_dir: the folder.
        name: the agent.
        base: the checkpoint that it was trained on; only its config.json is read.
        base_digest: that checkpoint's content digest.
        out_dir: where the two files go; must exist.
        precision: of the factors.

    Raises:
        ExportError: the folder holds something that a device cannot carry, or lacks something.
        CompressionError: NNCF left a factor uncompressed.
    """
    adapter = import_adapter(peft_dir, name=name, base=read_base_shape(base), base_digest=base_digest)
    return write_adapter(adapter, out_dir=out_dir, precision=precision)
