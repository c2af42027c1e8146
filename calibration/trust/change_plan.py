"""Read a predetermined change control plan (``pccp.toml``): what an update may change without a new submission.

Compares nothing: ``calibration.trust.update`` holds two bundles against the plan of the older one. A plan that is read
here is well formed; whether an authority has agreed to it is not for a program to know.

Source: FDA, Marketing Submission Recommendations for a Predetermined Change Control Plan for Artificial
Intelligence-Enabled Device Software Functions, final guidance of December 2024 (issued again August 2025), after section
515C of the FD&C Act (FDORA 2022, section 3308). Its three parts are the description of modifications (implemented by hand
or automatically, for all devices or per site), the modification protocol (data management, re-training, performance
evaluation, update procedures, with each modification traced to them) and the impact assessment (benefits, risks and
mitigations, each alone and together). Every modification stays within the intended use; what the plan does not describe
needs a new submission.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from calibration.package import CHANGE_PLAN_NAME
from edge_agent.contracts.bundle import CHANGE_PLAN_ROLE
from edge_agent.contracts.manifest import Manifest, Strict
from edge_agent.errors import RejectedError

# What no plan can allow: the device's identity, its use, and the plan itself.
FIXED = ("schema_version", "name", "lineage", "clinical_use", f"files.{CHANGE_PLAN_ROLE}")
_ROOTS = frozenset({*Manifest.model_fields, "soup"})
_Text = Annotated[str, Field(min_length=20)]
_Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
_Pattern = Annotated[str, Field(pattern=r"^[a-z_]+\*?(\.[A-Za-z0-9_*+-]+)*$")]


class Limit(Strict):
    """How far one update may move a number: bounds for the new value, and the largest step from the old one."""

    path: _Pattern
    lowest: float | None = None
    highest: float | None = None
    max_step: float | None = Field(default=None, gt=0)


class Gate(Strict):
    """A figure of the new bundle's manifest that must hold. A figure that is missing fails its gate.

    ``max_drop`` and ``max_rise`` compare with the previous bundle's figure.
    """

    id: _Id
    metric: Annotated[str, Field(min_length=1)]
    at_least: float | None = None
    at_most: float | None = None
    max_drop: float | None = Field(default=None, ge=0)
    max_rise: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> Gate:
        """Refuse a gate that nothing can fail."""
        if all(bound is None for bound in (self.at_least, self.at_most, self.max_drop, self.max_rise)):
            raise ValueError(f"gate {self.id} has no bound, so nothing could fail it: give it one")
        return self


class Modification(Strict):
    """One planned modification: what and why, which parts of the manifest it may change, how far, under which gates.

    ``changes`` and limits name parts of a manifest by dotted path, ``*`` for any text (``calibration.trust.facts``).
    """

    id: _Id
    what: _Text
    why: _Text
    changes: list[_Pattern] = Field(min_length=1)
    limits: list[Limit] = Field(default_factory=list)
    gates: list[_Id] = Field(min_length=1)


class Protocol(Strict):
    """The modification protocol: how every planned modification is developed, judged and brought out."""

    data_management: _Text
    retraining: _Text
    performance_evaluation: _Text
    update_procedure: _Text


class Risk(Strict):
    """One harm that a modification could do, and what stands against it."""

    harm: _Text
    mitigation: _Text


class Impact(Strict):
    """The impact assessment: benefits, risks with their mitigations, and all modifications together."""

    benefits: list[_Text] = Field(min_length=1)
    risks: list[Risk] = Field(min_length=1)
    together: _Text


class Submission(Strict):
    """A change that always needs a new submission, by path, and why."""

    path: _Pattern
    why: _Text


class ChangePlan(Strict):
    """The whole plan. ``lineage`` must be the bundle's: a plan speaks for one line of models only."""

    schema_version: Literal[1]
    title: str
    lineage: str
    intended_use: _Text
    implementation: Literal["manual", "automatic"]
    adaptation: Literal["global", "local"]
    modifications: list[Modification] = Field(min_length=1)
    gates: list[Gate] = Field(min_length=1)
    protocol: Protocol
    impact: Impact
    new_submission: list[Submission] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> ChangePlan:
        """Refuse doubled ids, unknown or unused gates, paths that no manifest has, and what no plan can allow."""
        for kind, ids in (
            ("gate", [one.id for one in self.gates]),
            ("modification", [m.id for m in self.modifications]),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"a {kind} id stands twice: give each its own")
        known = {gate.id for gate in self.gates}
        used = {gate for modification in self.modifications for gate in modification.gates}
        if unknown := sorted(used - known):
            raise ValueError(f"gate {unknown[0]} is named but not declared: declare it under [[gates]]")
        if unused := sorted(known - used):
            raise ValueError(f"gate {unused[0]} belongs to no modification: name it in one, or remove it")
        for modification in self.modifications:
            for pattern in modification.changes:
                _check_change(pattern, modification.id)
        for path in (
            *(limit.path for m in self.modifications for limit in m.limits),
            *(s.path for s in self.new_submission),
        ):
            _check_root(path)
        return self

    def modification_of(self, path: str) -> Modification | None:
        """Return the first modification that names a path; None where the plan does not allow it to change."""
        return next((one for one in self.modifications if any(fnmatchcase(path, p) for p in one.changes)), None)

    def submission_of(self, path: str) -> Submission | None:
        """Return the first rule by which a change of this path needs a new submission."""
        return next((one for one in self.new_submission if fnmatchcase(path, one.path)), None)


def parse_plan(data: bytes) -> ChangePlan:
    """Read a plan.

    Args:
        data: the bytes of ``pccp.toml``.

    Raises:
        RejectedError: not TOML, or a field is missing, unknown or contradictory.
    """
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise RejectedError(f"the change plan is not TOML ({exc}); mend {CHANGE_PLAN_NAME}") from exc
    try:
        return ChangePlan.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the plan"
        raise RejectedError(f"change plan, {where}: {first['msg']}; mend {CHANGE_PLAN_NAME}") from exc


def _check_root(pattern: str) -> None:
    if not any(fnmatchcase(root, pattern.partition(".")[0]) for root in _ROOTS):
        raise ValueError(f"{pattern} names no part of a manifest: see docs/bundle-format.md")


def _check_change(pattern: str, modification: str) -> None:
    _check_root(pattern)
    for fixed in FIXED:
        if fnmatchcase(fixed, pattern):
            raise ValueError(f"{modification}: {pattern} covers {fixed}, which no plan can allow to change: narrow it")
