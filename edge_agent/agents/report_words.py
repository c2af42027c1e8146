"""Put words to a report's ids, for the terminal and for the printed page alike; one language at a time.

Unknown is written as unknown: what nobody looked at, what the model could not tell and what was withheld are three
different wordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edge_agent.agents.abstention import is_nothing
from edge_agent.agents.red_flags import Rule, RuleBook
from edge_agent.contracts.terms import Language, Vocabulary

BANNER = ("clock_not_set", "ref_notice", "test_case", "fictitious_consent", "program_refused", "no_pictures")
_INPUT_LISTS = ("danger_sign", "vital_sign", "form_field", "severity_input")
_MISSING_SHOWN = 4


class Words:
    """The words of one language for one report; pure look-ups."""

    def __init__(self, vocabulary: Vocabulary, lang: Language) -> None:
        self._vocabulary, self._lang = vocabulary, lang
        self._danger_rules = RuleBook.load("red_flags.toml").rules
        others = (RuleBook.load("triage_rules.toml"), RuleBook.load("triage_rules.toml", table="formula_rule"))
        rules = [*self._danger_rules, *(rule for book in others for rule in book.rules)]
        self._rules: dict[str, Rule] = {rule.id: rule for rule in rules}

    def word(self, name: str) -> str:
        """Return a heading or small word."""
        return self._vocabulary.label(name, self._lang, of="word")

    def text(self, name: str) -> str:
        """Return a fixed text."""
        return self._vocabulary.label(name, self._lang, of="text")

    def field(self, name: str) -> str:
        """Return a field's name."""
        return self._vocabulary.name(name, self._lang)

    def tier(self, tier: str) -> str:
        """Return a tier with its short code, e.g. ``T3 urgent``."""
        return f"{tier.split('_', maxsplit=1)[0]} {self._label(tier, 'triage')}"

    def value(self, field: str, row: Mapping[str, Any] | None) -> str:
        """Return one field's value with its confidence, or the reason why there is none."""
        if row is None or not row["is_decided"]:
            return self.word("not_decided")
        if row["is_withheld"]:
            return self.word("withheld")
        told = self.ids(field, row["value"])
        return told if is_nothing(row["value"]) else f"{told} ({row['probability']:.0%})"

    def ids(self, field: str, value: Any) -> str:
        """Return the words for a value: one id, several, or a grade."""
        if value is None:
            return self._label("cannot_tell", "scale_type")
        if isinstance(value, int):
            return str(value)
        items = value if isinstance(value, list) else [value]
        return ("、" if self._lang == "zh" else ", ").join(self._label(item, field) for item in items)

    def banner(self, report: Mapping[str, Any]) -> list[str]:
        """List the notices that stand at the top; the others stand in the limitations."""
        return [name for name in report["notices"] if name in BANNER]

    def flag(self, flag: Mapping[str, Any]) -> str:
        """Return a fired danger sign: its tier and the fixed words to the worker."""
        return f"{flag['id']} {self.tier(flag['tier'])}: {self._rule_words(flag['id'])}"

    def because(self, flag: Mapping[str, Any]) -> str:
        """Return the inputs that made a rule fire."""
        return f"{self.word('because')}: {self._inputs(flag['because'])}"

    def no_flags(self, report: Mapping[str, Any]) -> str:
        """Return the line for "nothing fired"; never "no danger signs" while a rule is not assessed."""
        is_complete = not report["not_assessed"] and "rules_incomplete" not in report["notices"]
        if len(report["not_assessed"]) == len(self._danger_rules):
            return self.word("none_assessed")
        line = self.word("none_fired")
        return f"{line}. {self.word('all_assessed')}." if is_complete else line

    def not_assessed(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return one line per rule that could not be judged, with what is missing."""
        lines = []
        for row in rows:
            missing = row["missing"]
            told = self._inputs(missing[:_MISSING_SHOWN])
            if len(missing) > _MISSING_SHOWN:
                told += " " + self.word("more").format(n=len(missing) - _MISSING_SHOWN)
            lines.append(f"{self.word('not_assessed')} {row['id']} ({self.word('missing')}: {told})")
        return lines

    def triage(self, triage: Mapping[str, Any]) -> list[str]:
        """Return deadline, who asked for what, the rules behind it, and rules that were not assessed."""
        lines = [f"{self.word('deadline')}: {self._deadline(triage)}"]
        if triage["is_provisional"] and triage["final"] != "T1_emergency":
            lines.append(self.word("provisional"))
        if triage["needs_human_reading"]:
            lines.append(self.word("human_reading"))
        asked = [
            f"{self.word('by_' + who)} {tier.split('_')[0] if tier else '–'}" for who, tier in triage["by"].items()
        ]
        lines.append(" · ".join(asked))
        lines += [f"{rule}: {self._rule_words(rule)}" for rule in triage["reasons"] if rule.startswith("TR-")]
        return lines + self.not_assessed(triage["not_assessed"])

    def _deadline(self, triage: Mapping[str, Any]) -> str:
        if triage["final"] == "T1_emergency":
            return self.word("now")
        if triage["deadline"]:
            return self.time(triage["deadline"])
        hours = triage["deadline_hours"]
        if hours is None:
            return self.word("no_deadline")
        days, rest = divmod(hours, 24)
        name, count = ("within_hours", hours) if rest or days < 2 else ("within_days", days)
        return self.word(name).format(n=count)

    def worker(self, worker: Mapping[str, Any]) -> str:
        """Return the worker's own impression and urgency."""
        parts = [worker["impression"] or "", self.tier(worker["tier"]) if worker["tier"] else ""]
        parts.append(self.word("worried") if worker["worried"] == "yes" else "")
        return " · ".join(part for part in parts if part) or self.word("not_recorded")

    def scope(self, scope: Mapping[str, Any]) -> str:
        """Return the scope decision."""
        return f"{self.word('section_scope')}: {self._label(scope['decision'], 'scope')}"

    def view_name(self, view: Mapping[str, Any]) -> str:
        """Return a picture's number, shot and place as far as the form names them."""
        parts = [f"{self.word('view')} {view['view'] + 1}"]
        parts += [self._label(view[name], name) for name in ("shot", "laterality", "body_site") if view[name]]
        return " ".join(parts)

    def decided_fields(self, views: Sequence[Mapping[str, Any]]) -> list[str]:
        """List the fields that the model decided in at least one view, in its order."""
        names = dict.fromkeys(name for view in views for name, row in view["fields"].items() if row["is_decided"])
        return list(names)

    def integrated(self, report: Mapping[str, Any]) -> list[str]:
        """Return Rep's decided fields and the conflicts between pictures."""
        told = report["representation"]
        if told is None:
            return [self.word("no_representation")]
        lines = [f"{self.field(n)}: {self.value(n, row)}" for n, row in told["fields"].items() if row["is_decided"]]
        for row in told["conflicts"]:
            pair = f"{row['view_a'] + 1}/{row['view_b'] + 1}"
            lines.append(f"{self.word('conflict')}: {self.field(row['field'])} ({self.word('view')} {pair})")
        return lines

    def severity(self, severity: Mapping[str, Any]) -> str:
        """Return the severity band, or what is missing for it."""
        if severity["band"] is None:
            return f"{self.word('severity_missing')}: {self._inputs(severity['missing'])}"
        band = self._label(severity["band"], "severity_band")
        return f"{self.field('severity_band')}: {band} (BSA {severity['bsa_percent']:g} %)"

    def tcm(self, report: Mapping[str, Any]) -> list[str]:
        """Return Reason's proposal, marked as one, or that there is none."""
        told = report["reasoning"]
        if told is None:
            return [self.word("no_tcm")]
        lines = [f"{self.field(name)}: {self.value(name, row)}" for name, row in told["fields"].items()]
        lines += [f"{rule}: {self._rule_words(rule)}" for rule in told["formula_withheld_by"]]
        return [*lines, self.text("proposal_for_prescriber")]

    def plan(self, items: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return one line per plan item."""
        return [self._item(item) for item in items]

    def limits(self, report: Mapping[str, Any]) -> list[str]:
        """Return abstentions, notices and provenance."""
        lines = [f"{self.word('abstained')}: {self._abstention(row)}" for row in report["abstentions"]]
        lines += [self.text(name) for name in report["notices"] if name not in BANNER]
        return [*lines, *self.provenance(report["provenance"])]

    def provenance(self, told: Mapping[str, Any]) -> list[str]:
        """Return bundle, device, time and tokens."""
        bundle, tokens = told["bundle"], told["tokens"]
        seconds = told["timings_ms"].get("total", 0.0) / 1000
        device, vocabulary = self.word("device"), self.word("vocabulary")
        origin = f"{device} {told['device']} · {vocabulary} {told['vocabulary']}"
        if bundle is None:
            name = self.word("no_bundle")
        else:
            use = "" if bundle["clinical_use"] else f" ({self.word('clinician_use')})"
            name = f"{bundle['name']} {bundle['version']}{use}"
        return [
            f"{self.word('bundle')} {name} · {origin}",
            f"{self.word('duration')} {seconds:.1f} s · {self.word('tokens')} {tokens['sampled']}/{tokens['forced']}",
        ]

    def signatures(self) -> str:
        """Return the line to sign on."""
        line = "______________"
        return f"{self.word('worker_name')} {line}  {self.word('clinician_name')} {line}  {self.word('date')} {line}"

    def time(self, moment: str) -> str:
        """Return a time of the report to the minute, with its zone."""
        return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M %Z").strip()

    def _item(self, item: Mapping[str, Any]) -> str:
        fixed = item["action"] == "advise" and self._vocabulary.has(item["object"], of="text")
        what = self.text(item["object"]) if fixed else self._label(item["object"], "plan_object")
        if item["detail"]:
            what += f" {self._label(item['detail'], 'formula')}"
        if item["interval_days"] is not None:
            what += f" {item['interval_days']} {self.word('interval_days')}"
        extra = [self._label(item["condition"], "condition")] if item["condition"] else []
        extra += [self._label(item["role"], "role")]
        return f"{item['order']}. {self._label(item['action'], 'action')}: {what} [{' · '.join(extra)}]"

    def _abstention(self, row: Mapping[str, Any]) -> str:
        parts = [self._label(row["reason"], "abstain_reason")]
        if row["view"] is not None:
            parts.append(f"{self.word('view')} {row['view'] + 1}")
        if row["field"] is not None:
            parts.append(self.field(row["field"]))
        return " · ".join(parts)

    def _inputs(self, names: Sequence[str]) -> str:
        return (";" if self._lang == "zh" else "; ").join(self._input(name) for name in names)

    def _input(self, name: str) -> str:
        for found in _INPUT_LISTS:
            if self._vocabulary.has(name, of=found):
                return self._label(name, found)
        return name

    def _rule_words(self, rule_id: str) -> str:
        rule = self._rules[rule_id]
        return rule.zh if self._lang == "zh" else rule.en

    def _label(self, term_id: str, found: str) -> str:
        return self._vocabulary.label(term_id, self._lang, of=found)
