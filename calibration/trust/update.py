"""Hold an update against the change plan of the bundle before it: what changed, was it allowed, do the gates hold.

The plan of the *previous* bundle counts, never the new one's own: nobody can allow himself a change. Only the manifests
and SBOMs are compared; that they speak of the files as they are is checked elsewhere (``calibration.trust.verify``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from calibration.trust.change_plan import FIXED, ChangePlan, Gate, Limit, parse_plan
from calibration.trust.facts import Fact, changed_facts, facts_of, number_of
from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import read_role
from calibration.trust.sbom import packages_of
from edge_agent.contracts.bundle import CHANGE_PLAN_ROLE, Bundle
from edge_agent.errors import RejectedError, VersionRejected

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_ROUNDING = 1e-9  # a step of exactly max_step is allowed


def plan_of(bundle: Bundle) -> ChangePlan:
    """Return a bundle's change plan.

    Raises:
        RejectedError: it has none, or it is malformed, or it speaks for another lineage.
    """
    plan = parse_plan(read_role(bundle, CHANGE_PLAN_ROLE))
    if plan.lineage != bundle.manifest.lineage:
        raise RejectedError(
            f"the change plan is for lineage {plan.lineage}, the bundle is {bundle.manifest.lineage}; write its own plan"
        )
    return plan


def check_plan(bundle: Bundle) -> Findings:
    """Check a bundle's own plan: present, well formed, for its lineage, and none of its absolute gates broken."""
    plan = plan_of(bundle)
    facts = _facts(bundle)
    faults = [fault for gate in plan.gates for fault in _gate_faults(gate, old=None, new=facts)]
    return findings(f"{len(plan.modifications)} modifications, {len(plan.gates)} gates", faults)


def check_update(new: Bundle, previous: Bundle) -> Findings:
    """Check that an update changes only what the previous bundle's plan allows, within its limits and gates.

    Raises:
        RejectedError: the previous bundle has no plan, so it allows nothing.
    """
    try:
        plan = plan_of(previous)
    except RejectedError as exc:
        raise RejectedError(f"the previous bundle allows no change: {exc}") from exc
    old_facts, new_facts = _facts(previous), _facts(new)
    changed = changed_facts(old_facts, new_facts)
    faults: list[RejectedError] = [*_version_faults(previous.manifest.version, new.manifest.version)]
    gates: set[str] = set()
    for path in changed:
        faults += _change_faults(path, plan, old=old_facts, new=new_facts)
        if (modification := plan.modification_of(path)) is not None:
            gates |= set(modification.gates)
    for gate in plan.gates:
        if gate.id in gates:
            faults += _gate_faults(gate, old=old_facts, new=new_facts)
    return findings(
        f"{previous.manifest.version} to {new.manifest.version}: {len(changed)} changes, {len(gates)} gates", faults
    )


def _facts(bundle: Bundle) -> dict[str, Fact]:
    return facts_of(bundle.manifest, packages_of(bundle))


def _version_faults(old: str, new: str) -> Iterator[RejectedError]:
    before, after = _VERSION.match(old), _VERSION.match(new)
    if before is None or after is None or tuple(map(int, after.groups())) <= tuple(map(int, before.groups())):
        yield VersionRejected(f"version {new} does not follow {old}; raise it in derm_edge.json")


def _change_faults(
    path: str, plan: ChangePlan, *, old: Mapping[str, Fact], new: Mapping[str, Fact]
) -> Iterator[RejectedError]:
    told = f"{path} changed from {_told(old.get(path))} to {_told(new.get(path))}"
    if path in FIXED:
        yield RejectedError(f"{told}: no plan can allow it; this is another device and needs a new submission")
        return
    submission = plan.submission_of(path)
    if submission is not None:
        yield RejectedError(f"{told}: this needs a new submission ({submission.why})")
        return
    modification = plan.modification_of(path)
    if modification is None:
        yield RejectedError(f"{told}: the plan does not allow it; undo it, or submit a new plan")
        return
    for limit in modification.limits:
        if fnmatchcase(path, limit.path):
            yield from _limit_faults(limit, told, old=number_of(old, path), new=number_of(new, path))


def _limit_faults(limit: Limit, told: str, *, old: float | None, new: float | None) -> Iterator[RejectedError]:
    if new is None:
        yield RejectedError(f"{told}: the plan bounds it, but it is no number now; keep it")
        return
    if limit.lowest is not None and new < limit.lowest:
        yield RejectedError(f"{told}: the plan allows at least {limit.lowest:g}; fit it again")
    if limit.highest is not None and new > limit.highest:
        yield RejectedError(f"{told}: the plan allows at most {limit.highest:g}; fit it again")
    if limit.max_step is not None and (old is None or abs(new - old) > limit.max_step + _ROUNDING):
        yield RejectedError(f"{told}: the plan allows a step of {limit.max_step:g}; go in smaller steps")


def _gate_faults(gate: Gate, *, old: Mapping[str, Fact] | None, new: Mapping[str, Fact]) -> Iterator[RejectedError]:
    value = number_of(new, gate.metric)
    if value is None:
        yield RejectedError(f"gate {gate.id}: the manifest has no figure {gate.metric}; measure it and build again")
        return
    if gate.at_least is not None and value < gate.at_least:
        yield RejectedError(f"gate {gate.id}: {gate.metric} is {value:g}, the plan asks for at least {gate.at_least:g}")
    if gate.at_most is not None and value > gate.at_most:
        yield RejectedError(f"gate {gate.id}: {gate.metric} is {value:g}, the plan allows at most {gate.at_most:g}")
    if old is None or (gate.max_drop is None and gate.max_rise is None):
        return
    before = number_of(old, gate.metric)
    if before is None:
        yield RejectedError(f"gate {gate.id}: the previous bundle has no figure {gate.metric} to compare with")
        return
    if gate.max_drop is not None and before - value > gate.max_drop + _ROUNDING:
        yield RejectedError(
            f"gate {gate.id}: {gate.metric} fell from {before:g} to {value:g}, the plan allows {gate.max_drop:g}"
        )
    if gate.max_rise is not None and value - before > gate.max_rise + _ROUNDING:
        yield RejectedError(
            f"gate {gate.id}: {gate.metric} rose from {before:g} to {value:g}, the plan allows {gate.max_rise:g}"
        )


def _told(value: Fact) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:36]}…"
