"""The benchmark of whole cases at one shape: parity first, then everybody in turns, then the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.speed.contenders import PEERS, Parts
from scripts.speed.decode import measure_tokens
from scripts.speed.interleave import Series, Tell, interleaved
from scripts.speed.machine import machine_facts, machine_limits
from scripts.speed.ours import read_bundle
from scripts.speed.parity import MAX_LOGIT_DIFFERENCE, logit_difference, same_tokens
from scripts.speed.shapes import float_bundle, parts_of
from scripts.speed.targets import Target, case_targets, own_targets, rows, token_targets, vision_target

OURS = ("ours", "ours-free", "ours-unskipped")


@dataclass(frozen=True, slots=True)
class CaseRequest:
    """What to measure: ``shape`` by name, ``peers`` by family, size of the case, how often, where files are kept.

    ``is_tokens_only``: no whole cases, only single tokens and prefills beside the machine's limits. ``remark``: what a reader must
    know of this run, e.g. that the machine had other work.
    """

    shape: str
    peers: Sequence[str]
    views: int
    side_px: int
    repeats: int
    work: Path
    is_tokens_only: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Everything that was measured: ``records`` as plain data for the JSON lines, ``targets`` and whether all hold."""

    records: list[dict[str, Any]]
    targets: list[Target]
    is_same_function: bool

    @property
    def is_good(self) -> bool:
        """Tell whether parity was looked at and holds, and every target is met."""
        return self.is_same_function and all(target.is_met for target in self.targets)


def measure_case(request: CaseRequest, *, tell: Tell) -> CaseResult:
    """Measure one shape.

    Raises:
        EdgeError: the shape cannot be made or loaded.
        RuntimeError: a contender ended during the parity check.
    """
    parts = parts_of(request.shape, request.work, side_px=request.side_px, tell=tell)
    bundle = read_bundle(parts.bundle, side_px=request.side_px)
    head = {"shape": request.shape, "views": request.views, "side_px": request.side_px}
    records: list[dict[str, Any]] = [{"kind": "machine", **head, **machine_facts(), "remark": request.remark}]
    is_same, parity = _parity(request, parts, tell=tell)
    records.append({"kind": "parity", **head, **parity})
    tell("limits of this machine")
    limits = machine_limits(bundle.manifest)
    records.append({"kind": "limits", **head, **limits})
    times = measure_tokens(bundle, tell=tell)
    records.append({"kind": "tokens", **head, **asdict(times)})
    targets = list(token_targets(times, bundle.manifest, shape=request.shape, limits=limits))
    if request.is_tokens_only:
        return CaseResult([*records, *_target_records(targets, head)], targets, is_same)
    for workload in ("paper", "shared"):
        found = _cases(request, parts, workload, tell=tell)
        records += [{"kind": "case", **head, "workload": workload, **_kept(series)} for series in found.values()]
        targets += list(case_targets(found, workload=workload))
        if workload == "paper":
            size, limit = {"views": request.views, "side_px": request.side_px}, limits["vision_flops_per_s"]
            targets.append(vision_target(found["ours"], bundle.manifest, **size, limit=limit))
            targets += list(own_targets(found["ours"], found["ours-unskipped"], bundle.manifest, views=request.views))
    return CaseResult([*records, *_target_records(targets, head)], targets, is_same)


def _kept(series: Series) -> dict[str, Any]:
    """Return a series as plain data without the answers: random weights say nothing worth keeping."""
    said = asdict(series)
    return {**said, "runs": [{key: value for key, value in run.items() if key != "answers"} for run in said["runs"]]}


def _target_records(targets: list[Target], head: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"kind": "target", **head, **row} for row in rows(targets)]


def _cases(request: CaseRequest, parts: Parts, workload: str, *, tell: Tell) -> dict[str, Series]:
    """Run ours and the peers; the shared prefix is compared with GenAI alone, since nobody else has adapters to switch."""
    families = request.peers if workload == "paper" else [one for one in request.peers if one == "genai"]
    names = [*(OURS if workload == "paper" else OURS[:2]), *(name for family in families for name in PEERS[family])]
    size = {"views": request.views, "side_px": request.side_px}
    return interleaved(names, parts, workload=workload, size=size, repeats=request.repeats, tell=tell)


def _parity(request: CaseRequest, parts: Parts, *, tell: Tell) -> tuple[bool, dict[str, Any]]:
    """Compare tokens with GenAI where it is a peer, and grafted with merged logits where FP32 fits this machine.

    Whole cases that nobody compared token for token are not "the same function", whatever their seconds say.
    """
    said: dict[str, Any] = {}
    is_same = request.is_tokens_only or "genai" in request.peers
    if "genai" in request.peers:
        tokens = same_tokens(parts, tell=tell)
        said |= {"equal_answers": tokens.equal, "answers": tokens.total}
        is_same &= tokens.equal == tokens.total
    if request.shape != "3b":  # 15 GB in FP32, twice
        bundle = read_bundle(float_bundle(request.shape, request.work, tell=tell), side_px=request.side_px)
        said["max_logit_difference"] = logit_difference(bundle, tell=tell)
        is_same &= said["max_logit_difference"] <= MAX_LOGIT_DIFFERENCE
    return is_same, said
