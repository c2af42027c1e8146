"""What one check of a bundle found, and what all of them together say. Decides nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edge_agent.errors import EdgeError


class Status(StrEnum):
    """How a check ended. ``SKIPPED`` is never success: another check failed, and this one could not be trusted."""

    PASSED = "ok"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check saw: ``facts`` is one line for a person, ``faults`` are all that is wrong, in order."""

    facts: str
    faults: tuple[EdgeError, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check by name, how it ended and what it found."""

    check: str
    status: Status
    findings: Findings

    @staticmethod
    def of(check: str, findings: Findings) -> Outcome:
        """Return the outcome of a check that ran."""
        return Outcome(check, Status.FAILED if findings.faults else Status.PASSED, findings)

    @staticmethod
    def skipped(check: str, why: str) -> Outcome:
        """Return the outcome of a check that nobody ran because of an earlier fault."""
        return Outcome(check, Status.SKIPPED, Findings(why))


@dataclass(frozen=True, slots=True)
class Report:
    """Every check of one bundle, in the order in which they ran."""

    bundle: Path
    outcomes: tuple[Outcome, ...]

    @property
    def faults(self) -> tuple[EdgeError, ...]:
        """Return all faults of all checks."""
        return tuple(fault for outcome in self.outcomes for fault in outcome.findings.faults)

    @property
    def is_trusted(self) -> bool:
        """Tell whether every check ran and passed."""
        return all(outcome.status is Status.PASSED for outcome in self.outcomes)

    @property
    def exit_code(self) -> int:
        """Return 0, or the exit code of the first fault's class: the checks run from the gravest to the mildest."""
        return self.faults[0].exit_code if self.faults else 0

    def document(self) -> dict[str, Any]:
        """Return the report as JSON values, for ``--json``."""
        return {
            "bundle": str(self.bundle),
            "trusted": self.is_trusted,
            "exit_code": self.exit_code,
            "checks": [_document(outcome) for outcome in self.outcomes],
        }


def _document(outcome: Outcome) -> dict[str, Any]:
    faults = [{"error": type(fault).__name__, "message": str(fault)} for fault in outcome.findings.faults]
    return {
        "check": outcome.check,
        "status": outcome.status.value,
        "facts": outcome.findings.facts,
        "faults": faults,
    }


def findings(facts: str, faults: Iterable[EdgeError]) -> Findings:
    """Return findings from any iterable of faults, which is read to its end."""
    return Findings(facts, tuple(faults))
