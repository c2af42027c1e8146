"""Put words to a referral letter's ids, one language at a time, for the terminal and the printed page alike.

What nobody asked is named as such in one line per section; a missing answer never reads as normal. Does not decide
what a letter may say (``agents.letter`` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.agents.letter.decided import answer_rows, decided_rows
from edge_agent.agents.letter.terms import BLANK, LetterTerms, Row

_HISTORY_IDS = {
    "duration": "duration", "course": "course", "new_lesions_two_weeks": "known", "symptoms": "symptom",
    "season": "season", "trigger": "trigger", "allergy": "allergy", "pregnancy": "pregnancy",
    "breastfeeding": "known", "comorbidity": "comorbidity", "family_history": "family_history",
    "smoking": "smoking", "alcohol": "alcohol", "household_itch": "known", "contact_or_travel_risk": "known",
    "known_psoriasis": "known", "known_eczema": "known",
}  # fmt: skip
_LABELS = {
    "new_lesions_two_weeks": "new_lesions", "household_itch": "household", "contact_or_travel_risk": "travel",
    "family_history": "family",
}  # fmt: skip
_GIVERS = {"person": "person", "guardian": "guardian_gave", "nobody": "nobody_gave"}


@dataclass(frozen=True, slots=True)
class Section:
    """One titled part of the letter; ``name`` is its id, ``is_half`` asks for half of the page's width."""

    name: str
    title: str
    rows: tuple[Row, ...]
    is_half: bool = False


class LetterWords(LetterTerms):
    """The words of one language for one letter; pure look-ups."""

    def notices(self, letter: Mapping[str, Any]) -> list[str]:
        """Return the report's notices that concern the addressee, that of the reference model first."""
        return [self.text(name) for name in letter["notices"]]

    def sections(self, letter: Mapping[str, Any]) -> list[Section]:
        """Return the parts of the letter in the order of printing."""
        parts = [
            ("section_question", self._question(letter), False),
            ("section_person", self._person(letter["person"]), True),
            ("section_sender", self._sender(letter["sender"]), True),
            ("section_history", [*self._history(letter["history"]), *answer_rows(letter, self)], False),
            ("section_examination", self._examination(letter["examination"]), False),
            ("section_danger", self._danger(letter), False),
            ("section_clinician", decided_rows(letter, self), False),
            ("section_worker", self._worker(letter["worker"]), True),
            ("section_program", self._program(letter["program"]), True),
            ("section_tcm", self._tcm(letter["tcm"]), False),
            ("section_pictures", self._pictures(letter), False),
            ("section_done", self._done(letter["plan"]), False),
            ("section_consent", self._consent(letter["consent"]), True),
            ("section_reply", self._reply(letter), True),
        ]
        return [Section(name, self.word(name), tuple(rows), half) for name, rows, half in parts if rows]

    def _question(self, letter: Mapping[str, Any]) -> list[Row]:
        rows = [Row("", self.label(name, "letter_question")) for name in letter["questions"]]
        return [*rows, Row("", letter["question"])] if letter["question"] else rows

    def _person(self, person: Mapping[str, Any]) -> list[Row]:
        years, months = person["age_years"], person["age_months"]
        age = None
        if months is not None:
            age = self.word("months").format(n=months)
        elif years is not None:
            age = self.word("years").format(n=years)
        labels = {"guardian_present": "guardian", "interpreter_used": "interpreter", "transport_needed": "transport"}
        ticks = {name: f"{self.word(label)} {self.tick(person[name])}" for name, label in labels.items()}
        known = f"language_{person['language']}"
        language = self.word(known) if known in ("language_zh", "language_en") else person["language"]
        return [
            self.line(self.word("name"), ""),
            self.line(self.word("contact"), ""),
            Row(
                f"{self.word('age')} / {self.word('sex')}", f"{age or BLANK} / {self.id(person['sex'], 'sex') or BLANK}"
            ),
            Row(self.word("language"), f"{language or BLANK}; {ticks['interpreter_used']}"),
            Row("", f"{ticks['guardian_present']}; {ticks['transport_needed']}"),
        ]

    def _sender(self, sender: Mapping[str, str]) -> list[Row]:
        return [self.line(self.word(name), sender[name]) for name in ("post", "worker", "role", "call_back")]

    def _history(self, told: Mapping[str, Any]) -> list[Row]:
        """The new drug comes first (section 13); what nobody asked stands in the last line."""
        rows: list[tuple[str, str | None]] = [("new_drug", self._new_drug(told)), ("treatment", self._treatment(told))]
        for name, of in _HISTORY_IDS.items():
            rows.append((_LABELS.get(name, name), self.ids(told[name], of)))
        count = told["previous_treatment_periods_without_response"]
        rows.append(("periods", None if count is None else str(count)))
        scores = self.comma.join(f"{self.word(name)} {value}" for name, value in told["scores"].items())
        rows.append(("scores", scores or None))
        rows.append(("joints", self.answers(told["pest"], "pest")))
        if told["mood"]:
            rows.append(("mood", self.answers(told["mood"], "mood")))
        if told["allergy_text"]:
            rows = [(n, self.joined(t, told["allergy_text"])) if n == "allergy" else (n, t) for n, t in rows]
        return self.asked(rows)

    def _new_drug(self, told: Mapping[str, Any]) -> str | None:
        answer = self.ids(told["new_drug_within_8_weeks"], "known")
        return self.joined(answer, self.ids(told["new_drug_classes"], "new_drug_class"))

    def _treatment(self, told: Mapping[str, Any]) -> str | None:
        notes = told["current_treatment"]
        if notes is None:
            return None
        parts = []
        for note in notes:
            response = self.id(note["response"], "treatment_response")
            parts.append(self.id(note["kind"], "current_treatment") + (f" ({response})" if response else ""))
        return self.comma.join(parts)

    def _examination(self, told: Mapping[str, Any]) -> list[Row]:
        sites = [self.site(row) for row in told["sites"]]
        bsa, pasi, pga = told["bsa_percent"], told["pasi"], told["pga"]
        signs = told["vital_signs"]
        vital = [f"{self.label(name, 'vital_sign')} {value:g}" if name != "avpu" else f"AVPU {value}"
                 for name, value in signs.items()]  # fmt: skip
        rows: list[tuple[str, str | None]] = [
            ("sites", self.comma.join(sites) or None),
            ("bsa", None if bsa is None else f"{bsa:g} %"),
            # What a clinician found wrong is not "not asked": it stands with the decisions.
            *(
                []
                if told["is_severity_open"]
                else [
                    ("severity", self.ids(told["severity_band"], "severity_band")),
                    ("pasi", None if pasi is None else f"{pasi:g}"),
                ]
            ),
            ("pga", None if pga is None else str(pga)),
            ("vital_signs", self.comma.join(vital) or None),
            ("worker_signs", self.answers(told["worker_examination"], "worker_examination")),
        ]
        return self.asked(rows)

    def _danger(self, letter: Mapping[str, Any]) -> list[Row]:
        rows = self._flags(letter)
        for kind, mark in (("yes", "alert"), ("no", ""), ("not_assessed", "unknown")):
            names = letter["danger_signs"][kind]
            told = self.comma.join(self.label(name, "danger_sign") for name in names)
            # Beside an unasked checklist "none of those asked" would read as a normal finding.
            nothing = "none_marked" if kind == "yes" and letter["danger_signs"]["no"] else "nothing_done"
            rows.append(Row(self.word(f"danger_{kind}"), told or self.word(nothing), mark if names else "quiet"))
        if letter["rules_not_assessed"]:
            rows.append(
                Row(self.word("rules_not_assessed"), self.between_ids.join(letter["rules_not_assessed"]), "unknown")
            )
        return rows

    def _flags(self, letter: Mapping[str, Any]) -> list[Row]:
        """One row per rule that fired, with its fixed words; a finding of the pictures is marked as unconfirmed."""
        rows = []
        for flag in letter["red_flags"]:
            words = self.rule(flag["id"], is_stronger=flag["is_stronger"])
            hint = "" if flag["origin"] == "form" else f" ({self.word('from_picture')})"
            rows.append(Row(f"{flag['id']} {flag['tier'].split('_')[0]}", words + hint, "alert"))
        return rows or [Row(self.word("fired"), self.word("none_fired"), "quiet")]

    def _worker(self, worker: Mapping[str, Any]) -> list[Row]:
        rows = [self.line("", worker["impression"] or "")]
        if worker["tier"]:
            rows.append(Row(self.word("tier"), self.tier(worker["tier"])))
        return rows

    def _program(self, told: Mapping[str, Any]) -> list[Row]:
        if told["is_refused"]:
            return [Row("", self.word("program_refused"))]
        if told["is_silent"]:
            return [Row("", self.word("program_silent"))]
        decision = None if told["is_decided"] else self.id(told["decision"], "decision") or self.word("decision_open")
        release = f"{told['bundle']['name']} {told['bundle']['version']}"
        if not told["bundle"]["clinical_use"]:
            release += f" ({self.label('clinician_use', 'word')})"
        rows = [
            ("scope", self.ids(told["scope"], "scope")),
            ("family_of_lesion", self.ids(told["family"], "family")),
            ("phenotype", self.ids(told["phenotype"], "phenotype")),
            ("working", self.ids(told["working"], "biomedical_condition")),
            ("differential", self.ids(told["differential"], "biomedical_condition")),
            ("abstained", self.ids(told["abstentions"], "abstain_reason")),
            ("release", release),
            ("decision", decision),
        ]
        return [Row(self.word(name), text) for name, text in rows if text]

    def _tcm(self, told: Mapping[str, Any] | None) -> list[Row]:
        if told is None:
            return []
        lists = {"body_colour": "tongue_body_colour", "body_feature": "tongue_body_feature",
                 "coating_colour": "tongue_coating_colour", "coating_texture": "tongue_coating_texture",
                 "sublingual_veins": "sublingual_veins"}  # fmt: skip
        tongue = [f"{self.name(of)} {self.ids(told['tongue'][name], of)}"
                  for name, of in lists.items() if name in told["tongue"]]  # fmt: skip
        rows: list[tuple[str, str | None]] = [(n, self.ids(told[n], n)) for n in ("syndrome", "principle", "formula")]
        rows += [
            ("tongue", self.comma.join(tongue) or None),
            ("pulse", self.ids(told["pulse"], "pulse")),
            ("general", self.ids(told["general"], "general_sign")),
        ]
        note = [Row("", self.text("proposal_for_prescriber"), "quiet")] if told["syndrome"] or told["formula"] else []
        return [*self.asked(rows), *self._herb_check(told), *note]

    def _herb_check(self, told: Mapping[str, Any]) -> list[Row]:
        """What a formula must not be read without: second syndrome, changes, cautions, open questions."""
        changes = [f"{self.label(row['action'], 'modification_action')} {self.label(row['herb'], 'herb')}"
                   for row in told["modification"]]  # fmt: skip
        warned = [self.label(row["herb"], "herb") for row in told["herbs"] if row["verdict"] == "warned"]
        missing = [self.herb_input(name) for name in told["not_asked"]]
        rows = [
            (self.label("secondary", "tcm_part"), self.id(told["secondary"], "syndrome"), ""),
            (self.label("modification", "tcm_part"), self.comma.join(changes), ""),
            (self.label("warned", "herb_verdict"), self.comma.join(warned), "alert"),
            (self.label("formula_unchecked", "tcm_part"), self.comma.join(missing), "unknown"),
            ("", self.label("base_not_filled", "tcm_part") if told["is_filled"] is False else "", "unknown"),
        ]
        return [Row(label, text, mark) for label, text, mark in rows if text]

    def _pictures(self, letter: Mapping[str, Any]) -> list[Row]:
        told = letter["pictures"]
        if told["consent"] != "granted":
            return [
                Row("", self.word("pictures_no_consent" if told["consent"] == "no_consent" else "pictures_not_shared"))
            ]
        hidden = told["intimate_not_sent"]
        more = [Row("", self.word("pictures_intimate").format(n=hidden), "quiet")] if hidden else []
        if not told["list"]:
            return more or [Row("", self.word("no_pictures"))]
        delivery = f"{self.word('delivery')}{self.colon}{self.label(told['delivery'], 'picture_delivery')}"
        parts = []
        for row in told["list"]:
            shot = self.id(row["shot"], "shot")
            parts.append(" ".join(p for p in (f"{self.word('picture')} {row['number']}", shot, self.site(row)) if p))
        return [
            Row("", self.comma.join(parts)),
            Row("", f"{self.word('taken')} {self.time(letter['visited'])}{self.comma}{delivery}"),
            *more,
        ]

    def _done(self, items: Sequence[Mapping[str, Any]]) -> list[Row]:
        """One box per thing that the worker does, ticked where it is recorded as done; then what waits for others."""
        rows, waiting = [], []
        for item in items:
            if item["role"] != "worker":
                waiting.append(self._item(item))
            else:
                rows.append(Row("", self._item(item), box="☑" if item["status"] == "done" else "☐"))
        if waiting:
            rows.append(Row(self.word("waiting"), self.comma.join(waiting), "wide"))
        return rows or [Row("", self.word("nothing_done"))]

    def _item(self, item: Mapping[str, Any]) -> str:
        text = self.label(item["object"], "plan_object")
        if item["interval_days"] is not None:
            text += f" {item['interval_days']} {self.label('interval_days', 'word')}"
        if item["condition"] and item["role"] == "worker":
            text += f" ({self.label(item['condition'], 'condition')})"
        return f"{self.label(item['action'], 'action')}{self.colon}{text}"

    def _consent(self, told: Mapping[str, Any] | None) -> list[Row]:
        if told is None:
            return [Row("", self.word("consent_none"), "alert")]
        purposes = ("care_pictures", "program_help", "referral_package")
        rows = [Row(self.word(name), self.word("granted" if told[name] else "refused")) for name in purposes]
        giver = self.word(_GIVERS[told["given_by"]])
        return [*rows, Row(self.word("given_by"), f"{giver}{self.comma}{self.time(told['recorded_at'])}")]

    def _reply(self, letter: Mapping[str, Any]) -> list[Row]:
        reply, sender = letter["reply"], letter["sender"]
        return [
            self.line(self.word("reply_to"), reply["to"] or sender["worker"]),
            self.line(self.word("reply_how"), reply["how"] or sender["call_back"]),
            Row(self.word("reply_by"), self.deadline(letter)),
        ]
