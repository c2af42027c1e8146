"""Compare the manifest's census with the IRs as they lie in the bundle: the precision that is told is the one that is there.

Loads the IRs, so it runs only on files that are known to be the signed ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from calibration.census import count_constants
from calibration.trust.contents import ir_stems
from calibration.trust.outcome import Findings, findings
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import CensusRow
from edge_agent.errors import CompressionError, EdgeError, RejectedError


def check_census(bundle: Bundle) -> Findings:
    """Check every part's constants by element type: tensors, elements, bytes."""
    import openvino as ov

    core = ov.Core()
    stems = ir_stems(bundle.manifest)
    declared = bundle.manifest.census
    faults: list[EdgeError] = []
    for stem in stems:
        try:
            model = core.read_model(bundle.path_of(f"{stem}.xml"))
        except RuntimeError as exc:
            reason = " ".join(str(exc).split())[:160]
            faults.append(RejectedError(f"OpenVINO cannot read {stem}.xml: {reason}; build the bundle again"))
            continue
        faults += _part_faults(stem, declared, count_constants(model, part=stem))
    faults += [
        CompressionError(f"the census counts the part {part}, which the bundle does not have; build it again")
        for part in sorted({row.part for row in declared} - set(stems))
    ]
    elements = sum(row.elements for row in declared)
    return findings(f"{len(stems)} IRs, {elements:,} elements as declared", faults)


def _part_faults(part: str, declared: list[CensusRow], found: list[CensusRow]) -> Iterator[CompressionError]:
    told = {row.element_type: row for row in declared if row.part == part}
    there = {row.element_type: row for row in found}
    for kind in sorted({*told, *there}):
        if told.get(kind) != there.get(kind):
            yield CompressionError(
                f"{part}: the census says {_told(told.get(kind))} of {kind}, the IR holds {_told(there.get(kind))}; build the "
                "bundle again"
            )


def _told(row: CensusRow | None) -> str:
    return "nothing" if row is None else f"{row.tensors} tensors, {row.elements} elements, {row.bytes} bytes"
