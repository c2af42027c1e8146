"""What a run of one case collects on its way: findings so far, time per phase, token counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from edge_agent.agents.abstention import Abstention, Kept
from edge_agent.agents.reasoning import SECTION as REASONING
from edge_agent.agents.reasoning import Proposal
from edge_agent.agents.representation import Described, Merge
from edge_agent.agents.scope import Scope
from edge_agent.contracts.case import AgentOutput


@dataclass(frozen=True, slots=True)
class Findings:
    """What the agents have said so far; frozen, each step returns a new one."""

    scope: Scope | None = None
    described: tuple[Described, ...] = ()
    merged: Merge | None = None
    representation: Mapping[str, Kept] = field(default_factory=dict)
    proposal: Proposal | None = None
    abstentions: tuple[Abstention, ...] = ()
    notices: tuple[str, ...] = ()

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
    def formula(self) -> str | None:
        """Return the formula id that may be shown, or None."""
        if self.proposal is None:
            return None
        value = self.proposal.fields["formula"].value
        return None if value == "cannot_tell" else str(value)

    def with_representation(
        self, merged: Merge, kept: Mapping[str, Kept], abstentions: Sequence[Abstention]
    ) -> Findings:
        """Return these findings with Rep's."""
        return replace(self, merged=merged, representation=kept, abstentions=(*self.abstentions, *abstentions))

    def with_abstention(self, abstention: Abstention) -> Findings:
        """Return these findings with one more abstention."""
        return replace(self, abstentions=(*self.abstentions, abstention))

    def with_proposal(self, proposal: Proposal, withheld: Sequence[Abstention]) -> Findings:
        """Return these findings with Reason's proposal and what it leaves open."""
        return replace(self, proposal=proposal, abstentions=(*self.abstentions, *withheld, *proposal.abstentions))


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
