"""What an acceptance found: one result per step, in order, and what to do about the first that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from edge_agent.errors import EdgeError, QualityGateError


class Step(StrEnum):
    """The steps, in order."""

    INSPECT = "inspect"
    PARITY = "parity"
    BUILD = "build"
    EVALUATE = "evaluate"
    VERIFY = "verify"


class State(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_RUN = "not run"


QUESTIONS: Mapping[Step, str] = MappingProxyType(
    {
        Step.INSPECT: "Is the checkpoint whole, licensed, and small enough for this computer?",
        Step.PARITY: "Does the uncompressed export compute what transformers and PEFT compute?",
        Step.BUILD: "Does the recipe give a bundle that decides as PyTorch does?",
        Step.EVALUATE: "Does the bundle lose no more than the quality gates allow, in every group?",
        Step.VERIFY: "Can a stranger trust the bundle: files, precision, SBOM, licences, model card, change plan?",
    }
)
REMEDIES: Mapping[Step, str] = MappingProxyType(
    {
        Step.INSPECT: "Mend what the line names; `derm-calibrate inspect` lists every fault. Then start again.",
        Step.PARITY: "The export itself differs, whatever the recipe. Compare the installed versions with constraints.txt, "
        "then config.json with the published one; an adapter that alone differs was trained on other weights. If only "
        "golden decisions differ and no logit does, give a --reference recipe with a lower golden_min_agreement.",
        Step.BUILD: "Read which label and which bound. A gentler recipe is int4-se, then int4-mixed-80, then int8; try "
        "several at once with `derm-calibrate sweep`. A bound that honest logits miss is mended in a recipe of your own.",
        Step.EVALUATE: "Open the evaluation: it names the field, the group and every flipped case. Too few cases also fail "
        "a gate: 2,000 per tone group are asked. A gentler recipe, or more cases; never a wider gate.",
        Step.VERIFY: "Write what is missing beside the checkpoint (README.md, licences/, pccp.toml) and start again: the "
        "finished stages whose inputs did not change are kept.",
    }
)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step: how it ended, what was found (one line each), and why it failed."""

    step: Step
    state: State
    facts: tuple[str, ...] = ()
    failure: EdgeError | None = None

    @property
    def remedy(self) -> str:
        """Return what to do; empty where nothing failed."""
        return REMEDIES[self.step] if self.state is State.FAILED else ""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All steps.

    ``licences`` are rows of owner, name and source; ``notes`` the preflight's remarks; ``parity`` a row per label;
    ``details`` the preflight's whole report; ``links`` further pages by name, relative to the report.
    """

    checkpoint: str
    recipe: str
    steps: tuple[StepResult, ...]
    licences: tuple[Mapping[str, str], ...] = ()
    known_base: str | None = None
    notes: tuple[str, ...] = ()
    parity: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> StepResult | None:
        """Return the step that failed; there is at most one, since nothing is begun behind it."""
        return next((one for one in self.steps if one.state is State.FAILED), None)

    @property
    def exit_code(self) -> int:
        """Return 0, or the exit code of the failure; what was not measured has not passed its gates."""
        failed = self.failed
        if failed is not None and failed.failure is not None:
            return failed.failure.exit_code
        return QualityGateError.exit_code if self._skipped else 0

    @property
    def headline(self) -> str:
        """Return the verdict in one line."""
        failed = self.failed
        if failed is not None:
            return f"Not accepted: {failed.step.value} failed."
        return f"Not accepted: {', '.join(self._skipped)} was not run." if self._skipped else "Accepted."

    @property
    def _skipped(self) -> tuple[str, ...]:
        return tuple(one.step.value for one in self.steps if one.state is State.NOT_RUN)
