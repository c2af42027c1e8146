"""What a run of one case collects on its way: findings so far, time per phase, token counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from edge_agent.agents.abstention import Abstention, Kept
from edge_agent.agents.assessment import Assessed
from edge_agent.agents.evidence.check import Reasoning
from edge_agent.agents.reasoning import SECTION as REASONING
from edge_agent.agents.reasoning import Proposal
from edge_agent.agents.representation import Described, Merge
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.red_flags import Verdict
from edge_agent.agents.scope import SECTION as SCOPE
from edge_agent.agents.scope import Scope
from edge_agent.contracts.case import AgentOutput, Case, Written
from edge_agent.contracts.shown_field import OnField

OnProgress = Callable[[str, int, int], None]
NOT_OURS = "not_psoriasis_like"  # of the list phenotype


@dataclass(frozen=True, slots=True)
class Findings:
    """What the agents have said so far; frozen, each step returns a new one.

    ``added_flags`` are the danger signs that only the pictures raised. ``rep_written`` and ``reason_written`` are the
    texts of agents that write free text. ``reasoning`` and ``plan_proposals`` are None
    and empty until Reason ran.
    """

    scope: Scope | None = None
    described: tuple[Described, ...] = ()
    added_flags: tuple[Verdict, ...] = ()
    merged: Merge | None = None
    representation: Mapping[str, Kept] = field(default_factory=dict)
    proposal: Proposal | None = None
    reasoning: Reasoning | None = None
    plan_proposals: tuple[Any, ...] = ()
    abstentions: tuple[Abstention, ...] = ()
    notices: tuple[str, ...] = ()
    rep_written: tuple[Written, ...] = ()
    reason_written: tuple[Written, ...] = ()

    @property
    def decision(self) -> str:
        """Return the scope decision; a case that no agent looked at is ``abstained``."""
        return "abstained" if self.scope is None else self.scope.decision

    @property
    def is_abstained(self) -> bool:
        """Say whether the case as a whole has no answer; one withheld sign of one view does not count."""
        if self.decision != "in_scope":
            return True
        return any(a.section == REASONING and a.field in {None, "syndrome"} for a in self.abstentions)

    @property
    def readable(self) -> tuple[Described, ...]:
        """Return the described views that may be read on."""
        allowed = () if self.scope is None else self.scope.readable
        return tuple(one for one in self.described if one.view.index in allowed)

    @property
    def is_coded(self) -> bool:
        """Say whether any value was coded from text: then no probability stands behind it, and a person must read."""
        rows = [row for one in self.described for row in one.fields.values()]
        rows += [*self.representation.values(), *(self.proposal.fields.values() if self.proposal is not None else ())]
        return any(row.coded is not None for row in rows)

    @property
    def abstain_reasons(self) -> frozenset[str]:
        """Return every reason that was given, whatever its section."""
        return frozenset(one.reason for one in self.abstentions)

    @property
    def formula(self) -> str | None:
        """Return the formula id that may be shown, or None."""
        value = self.value_of("formula")
        return None if value == "cannot_tell" else value

    @property
    def working(self) -> str | None:
        """Return the working condition, or None where the bundle names none."""
        main = None if self.reasoning is None else self.reasoning.working
        return None if main is None else main.condition

    @property
    def conditions(self) -> frozenset[str]:
        """Return the working condition and the differential."""
        rows = () if self.reasoning is None else (self.reasoning.working, *self.reasoning.differential)
        return frozenset(row.condition for row in rows if row is not None)

    def value_of(self, name: str) -> str | None:
        """Return one id that Reason or Rep decided and that was kept, else None."""
        row = (self.proposal.fields if self.proposal is not None else {}).get(name) or self.representation.get(name)
        return row.value if row is not None and row.is_decided and isinstance(row.value, str) else None

    def with_representation(
        self,
        merged: Merge,
        kept: Mapping[str, Kept],
        abstentions: Sequence[Abstention],
        *,
        written: tuple[Written, ...] = (),
    ) -> Findings:
        """Return these findings with Rep's; a picture that Rep does not find like psoriasis is out of scope.

        Rec sees single views and names a family; Rep sees all of them and may know better, only in this direction.
        """
        found = replace(self, merged=merged, representation=kept, rep_written=written).with_abstentions(*abstentions)
        if found.scope is None or found.value_of("phenotype") != NOT_OURS:
            return found
        outside = Abstention("out_of_scope_condition", SCOPE, None, "phenotype")
        return replace(found, scope=replace(found.scope, decision="out_of_scope")).with_abstentions(outside)

    def with_abstentions(self, *abstentions: Abstention) -> Findings:
        """Return these findings with more abstentions."""
        return replace(self, abstentions=(*self.abstentions, *abstentions))

    def with_assessment(self, assessed: Assessed) -> Findings:
        """Return these findings with Reason's proposal, its checked reasons and what it leaves open."""
        return replace(
            self,
            proposal=assessed.proposal,
            reasoning=assessed.reasoning,
            plan_proposals=assessed.plan_proposals,
            reason_written=assessed.output.written,
        ).with_abstentions(*assessed.abstentions)


class Meter:
    """Measure the phases of one run (ms) and count its tokens; the clock is injected (seconds, monotonic)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()
        self._ms: dict[str, float] = {}
        self.sampled = 0
        self.forced = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure one phase under a name."""
        began = self._clock()
        try:
            yield
        finally:
            self._ms[name] = (self._clock() - began) * 1000

    def count(self, outputs: Iterable[AgentOutput]) -> None:
        """Add the tokens of some outputs."""
        for output in outputs:
            self.sampled += output.tokens_sampled
            self.forced += output.tokens_forced

    def total(self) -> dict[str, float]:
        """Return the milliseconds per phase and ``total`` since the run began."""
        return {**self._ms, "total": (self._clock() - self._start) * 1000}


@dataclass(frozen=True, slots=True)
class Run:
    """One case on its way: the facts of its form, the danger-sign verdicts, the meter and who listens.

    ``tell`` is called as (stage, done, total); ``show`` is told of signs, None: nobody wants them.
    """

    case: Case
    facts: Mapping[str, Fact]
    flags: tuple[Verdict, ...]
    meter: Meter
    tell: OnProgress
    show: OnField | None = None
