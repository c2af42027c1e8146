"""Draw by rule what follows from a visit's findings: severity, change, TCM block, triage and plan.

No model speaks here. The triage rules read what the agents left open and can only raise; the plan comes last, because it
rests on everything before it.

Source: clinical-vocabulary sections 4, 5.3, 9 and 10 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_agent.agents.plan.actions import Plan, PlanInput, Planner
from edge_agent.agents.reasoning import without_plan
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.facts import with_outcome
from edge_agent.agents.rules.red_flags import RuleBook, Verdict
from edge_agent.agents.rules.rule_file import EMERGENCY
from edge_agent.agents.rules.triage import Triage, decide
from edge_agent.agents.run_record import Findings
from edge_agent.agents.severity.assess import Severity, severity_of
from edge_agent.agents.severity.change import Change, change
from edge_agent.agents.tcm.block import TcmBlock, TcmInput, TcmTable, tcm_absence, tcm_block
from edge_agent.agents.withholding import needs_human_reading
from edge_agent.contracts.case import Case
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.terms import Vocabulary

IN_SCOPE = "in_scope"
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True)
class Course:
    """Everything one run found out: the danger-sign verdicts, the agents' findings, and what rules made of them.

    ``tcm`` is None where no block may stand; ``tcm_absent`` then says why (list ``tcm_absence``).
    """

    red_flags: Sequence[Verdict]
    findings: Findings
    severity: Severity
    change: Change | None
    tcm: TcmBlock | None
    tcm_absent: str | None
    triage: Triage
    plan: Plan
    notices: Sequence[str]


def has_emergency(verdicts: Sequence[Verdict]) -> bool:
    """Say whether a danger sign of the most urgent tier is active."""
    return any(v.outcome == "fires" and v.tier == EMERGENCY for v in verdicts)


class Conclusions:
    """Draw the conclusions of cases.

    Args:
        vocabulary: the device's.
        manifest: the bundle's; None where the rules alone speak.
        practice: the switches of the practice.
        red_flags: the danger-sign rules, to say whether all of the draft are here.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, manifest: Manifest | None, practice: Practice, red_flags: RuleBook
    ) -> None:
        self._vocabulary, self._manifest, self._practice = vocabulary, manifest, practice
        self._is_complete = red_flags.is_complete
        self._rules = RuleBook.load("triage_rules.toml")
        self._planner = Planner(vocabulary)
        self._tcm_table = TcmTable.load(vocabulary)

    def draw(self, case: Case, *, facts: Mapping[str, Fact], flags: Sequence[Verdict], found: Findings) -> Course:
        """Return the course of one case.

        Args:
            case: the visit.
            facts: the form's facts.
            flags: every danger-sign verdict, those from the pictures too.
            found: what the agents said.
        """
        severity = severity_of(case, found.readable, is_in_scope=found.decision == IN_SCOPE)
        given = self._tcm_input(case, found, flags)
        absent = tcm_absence(found.proposal, given=given)
        block = tcm_block(found.proposal, given=given, table=self._tcm_table)
        if block is None and found.proposal is not None:
            found = replace(found, proposal=without_plan(found.proposal))
        triage = self._triage(case, facts=facts, flags=flags, found=found, band=severity.band)
        graded_by = self._manifest.lineage if self._manifest is not None and found.described else None
        return Course(
            red_flags=flags,
            findings=found,
            severity=severity,
            change=change(case, severity, lineage=graded_by),
            tcm=block,
            tcm_absent=absent,
            triage=triage,
            plan=self._plan(case, flags=flags, found=found, triage=triage, band=severity.band),
            notices=self._notices(case, found),
        )

    def _tcm_input(self, case: Case, found: Findings, flags: Sequence[Verdict]) -> TcmInput:
        term = self._vocabulary.lists["biomedical_condition"].terms.get(found.working or "")
        code = None if term is None else term.facts.get("icd11")
        return TcmInput(
            scope=found.decision,
            age_years=_age(case),
            practice=self._practice,
            has_prescriber=False,  # nobody signs in to this release
            has_emergency=has_emergency(flags),
            condition=found.working,
            icd11=None if code is None else str(code),
        )

    def _triage(
        self, case: Case, *, facts: Mapping[str, Fact], flags: Sequence[Verdict], found: Findings, band: str | None
    ) -> Triage:
        derived = with_outcome(
            facts,
            scope=found.decision,
            is_abstained=found.is_abstained or needs_human_reading(found.abstentions) or found.is_coded,
            abstain_reasons=found.abstain_reasons,
            severity_band=band,
            stage=found.value_of("stage"),
        )
        return decide(
            [*flags, *self._rules.evaluate(derived)],
            worker=case.intake.worker,
            program=None,  # no agent of this release proposes a tier; pictures speak through the flags
            created=case.created,
            vocabulary=self._vocabulary,
            clinician=case.intake.clinician,
        )

    def _plan(self, case: Case, *, flags: Sequence[Verdict], found: Findings, triage: Triage, band: str | None) -> Plan:
        given = PlanInput(
            tier=triage.final,
            is_in_scope=found.decision == IN_SCOPE,
            needs_human_reading=triage.needs_human_reading,
            abstain_reasons=found.abstain_reasons,
            formula=found.formula,
            age_years=case.intake.age_years,
            scope=found.decision,
            fired=frozenset(v.rule.id for v in flags if v.outcome == "fires"),
            conditions=found.conditions,
            working=found.working,
            severity_band=band,
            phenotype=found.value_of("phenotype"),
            syndrome=found.value_of("syndrome"),
            proposals=found.plan_proposals,
            is_photography_stopped=case.photography.is_stopped,
        )
        return self._planner.plan(given.with_form(case.intake))

    def _notices(self, case: Case, found: Findings) -> list[str]:
        rows = {
            "ref_notice": self._manifest is None or not self._manifest.clinical_use,
            "test_case": case.is_test_case,
            "fictitious_consent": case.consent is not None and case.consent.fictitious,
            "ai_notice": bool(found.described),
            "coded_from_text": found.is_coded,
            "rules_unreviewed": not self._vocabulary.is_reviewed(),
            "rules_incomplete": not self._is_complete,
            "formula_withheld": found.proposal is not None and bool(found.proposal.withheld_by),
            "formula_unchecked": found.proposal is not None and bool(found.proposal.unchecked),
            "no_size": bool(found.described),
        }
        return [*found.notices, *(name for name, holds in rows.items() if holds)]


def _age(case: Case) -> int | None:
    """Return the completed years; an infant's form may say months alone."""
    years, months = case.intake.age_years, case.intake.age_months
    return months // MONTHS_PER_YEAR if years is None and months is not None else years
