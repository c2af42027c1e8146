"""A bundle whose agents write free text, through a whole case: hand-over, coding, scope, loops, report and uplink."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.text import render_text
from edge_agent.agents.scope import decide
from edge_agent.agents.text.reader import TextReader
from edge_agent.contracts.case import AgentOutput, CodingRequest, FieldValue, Finding, Request
from edge_agent.contracts.manifest import AgentName, Manifest
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CoderSpec
from edge_agent.practice import Practice
from edge_agent.privacy.deidentify import deidentify
from tests.simulators.cases import case, consent, form
from tests.simulators.engine import ScriptedView
from tests.simulators.text_bundle import (
    ASSESSMENT_TEXT,
    INTEGRATED_TEXT,
    MOLE_TEXT,
    PATHOGENESIS_TEXT,
    PLAQUE_TEXT,
    VAGUE_TEXT,
    text_manifest,
)
from tests.simulators.text_engine import WritingEngine

VOCABULARY = Vocabulary.load()
VALIDATOR = jsonschema.Draft202012Validator(report_schema(), format_checker=jsonschema.FormatChecker())
VIEWS = {1: PLAQUE_TEXT, 2: MOLE_TEXT, 3: VAGUE_TEXT}


def engine(**script: Any) -> WritingEngine:
    return WritingEngine(VIEWS, **script)


def pipeline(writing: WritingEngine, practice: Practice | None = None, **manifest: Any) -> CasePipeline:
    return CasePipeline(writing, text_manifest(**manifest), VOCABULARY, practice=practice, device="TEST")


def asked(writing: WritingEngine) -> list[str]:
    return [agent for agent, _ in writing.asked]


def reasons(report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(row["reason"], row["section"], row["field"]) for row in report["abstentions"]]


def test_texts_are_handed_over_as_they_were_written() -> None:
    """Rec's per view to Rep in the declared form, Rep's to Reason, the form in words; Rec reads nothing."""
    writing = engine()
    pipeline(writing).run(case(marks=(1, 1)))
    assert asked(writing) == ["recognition", "representation", "reasoning"]
    assert writing.texts_of("recognition") == {}
    assert writing.texts_of("representation") == {"recognition_text": f"图1:{PLAQUE_TEXT}\n图2:{PLAQUE_TEXT}"}
    told = writing.texts_of("reasoning")
    assert told["representation_text"] == f"{INTEGRATED_TEXT}\n{PATHOGENESIS_TEXT}"
    assert {"舌色:红", "脉象:数", "口渴:是", "舌下络脉:未查"} <= set(told["intake_zh"].splitlines())


def test_every_value_is_coded_from_text_and_none_has_a_percentage() -> None:
    """Report and page: origin, who read it, where; no number in brackets anywhere beside a field."""
    report = json.loads(json.dumps(pipeline(engine()).run(case(marks=(1, 1)))))
    VALIDATOR.validate(report)
    rows = [
        *report["recognition"][0]["fields"].values(),
        *report["representation"]["fields"].values(),
        *report["reasoning"]["fields"].values(),
    ]
    assert all((row["origin"], row["probability"]) == ("coded", None) for row in rows)
    assert {row["coded_by"] for row in rows} == {"lexicon", "nothing"}
    assert report["tcm"]["syndrome"] == {
        "primary": "blood_heat", "secondary": None, "confidence": None, "is_withheld": False,
    }  # fmt: skip
    assert report["biomedical"]["working"]["condition"] == "plaque_psoriasis"
    assert report["biomedical"]["working"]["confidence"] is None
    assert all(row[name] is None for row in report["scope"]["views"] for name in row if name.startswith("p_"))
    words = render_text(report, VOCABULARY, "zh")
    assert "鲜红 [据原文编码]" in words
    assert "coded from text" in render_text(report, VOCABULARY, "en")
    assert "(1" not in words.split("4 逐图所见")[1].split("5 综合描述")[0]


def test_spans_point_at_the_words() -> None:
    """Characters of the text that stands in the same report."""
    report = pipeline(engine()).run(case())
    view = report["recognition"][0]
    [text] = [row["text"] for row in view["texts"]]
    assert text == PLAQUE_TEXT
    [[start, end]] = view["fields"]["colour"]["spans"]
    assert text[start:end] == "鲜红色"


def test_a_person_always_reads_a_case_that_was_coded() -> None:
    """No calibrated answer stands behind it, whatever it says."""
    report = pipeline(engine()).run(case(agreed=consent()))
    assert report["triage"]["needs_human_reading"]
    assert "coded_from_text" in report["notices"]


@pytest.mark.parametrize(
    ("marks", "decision", "reason"),
    [
        ((2,), "out_of_scope", "out_of_scope_condition"),
        ((1, 2), "out_of_scope", "out_of_scope_condition"),  # one view that names a danger is enough
        ((3,), "abstained", "text_not_coded"),
    ],
)
def test_words_close_a_case(marks: tuple[int, ...], decision: str, reason: str) -> None:
    """A danger that is named refuses, words that fit nothing abstain; the later agents are not asked."""
    writing = engine()
    report = pipeline(writing).run(case(marks=marks))
    VALIDATOR.validate(report)
    assert asked(writing) == ["recognition"]
    assert (report["scope"]["decision"], reasons(report)) == (decision, [(reason, "scope", None)])
    assert report["tcm"] is None and report["triage"]["needs_human_reading"]


def test_words_open_no_case_without_evidence() -> None:
    """A bundle that nobody tested on danger pictures: its Rec may say psoriasis of anything."""
    writing = engine()
    report = pipeline(writing, text_scope=None).run(case())
    assert asked(writing) == ["recognition"]
    assert (report["scope"]["decision"], reasons(report)) == ("abstained", [("no_calibration", "scope", None)])
    assert report["recognition"][0]["fields"]["colour"]["value"] == ["bright_red"]  # what it said stays to be read


@pytest.mark.parametrize("text", ["可能为红斑鳞屑性皮损", "红斑鳞屑性皮损,亦似湿疹,湿疹样", "红斑鳞屑性皮损"])
def test_only_firm_words_open_a_case(text: str) -> None:
    """A doubt, a second family or a text that was cut off do not."""
    finish = {"describe": "length"} if text == "红斑鳞屑性皮损" else {}
    report = CasePipeline(WritingEngine({1: text}, finish=finish), text_manifest(), VOCABULARY).run(case())
    assert report["scope"]["decision"] == "abstained"


def test_views_that_name_different_families_disagree() -> None:
    """One view ours, another near view eczema: nobody chooses between them."""
    writing = WritingEngine({1: PLAQUE_TEXT, 2: "湿疹样皮损,边界不清。"})
    report = pipeline(writing).run(case(marks=(1, 2)))
    assert reasons(report)[-1] == ("views_disagree", "scope", None)


def test_rep_that_names_a_danger_takes_the_case_out_of_scope() -> None:
    """Only in this direction; Reason is not asked."""
    writing = engine(representation=("皮损对称,其中一处不除外恶性黑色素瘤。", PATHOGENESIS_TEXT))
    report = pipeline(writing).run(case())
    assert report["scope"]["decision"] == "out_of_scope"
    assert "reasoning" not in asked(writing)


@pytest.mark.parametrize(
    ("step", "section", "reached"),
    [
        ("describe", "scope", ["recognition"]),
        ("integrate", "representation", ["recognition", "representation"]),
        ("assess", "reasoning", ["recognition", "representation", "reasoning"]),
    ],
)
def test_a_loop_is_an_abstention_with_its_reason(step: str, section: str, reached: list[str]) -> None:
    """The text is kept and marked, nothing is drawn from it, and no later agent reads it."""
    writing = engine(finish={step: "loop"})
    report = pipeline(writing).run(case())
    VALIDATOR.validate(report)
    assert asked(writing) == reached
    assert "runaway_text" in [row["reason"] for row in report["abstentions"] if row["section"] == section]
    assert report["tcm"] is None or report["tcm"]["syndrome"]["primary"] == "insufficient_information"
    assert report["triage"]["needs_human_reading"]
    assert "陷入重复，已中止" in render_text(report, VOCABULARY, "zh")


def test_one_looping_view_does_not_take_the_others_with_it() -> None:
    """It is set aside; a danger that it names before it loops still counts."""

    class OneLoops(WritingEngine):
        def _write(self, agent: str, step: str, text: str, *, row: int, heard: Any) -> Any:
            finish = "loop" if agent == "recognition" and row == 1 else "eos"
            self._finish = {step: finish}
            return super()._write(agent, step, text, row=row, heard=heard)

    writing = OneLoops({1: PLAQUE_TEXT, 2: MOLE_TEXT})
    report = pipeline(writing).run(case(marks=(1, 1)))
    assert report["scope"]["decision"] == "in_scope"
    assert writing.texts_of("representation")["recognition_text"] == f"图1:{PLAQUE_TEXT}"
    assert pipeline(OneLoops({1: PLAQUE_TEXT, 2: MOLE_TEXT})).run(case(marks=(1, 2)))["scope"]["decision"] == (
        "out_of_scope"
    )


def test_the_prescription_is_hidden_and_the_checked_formula_is_not() -> None:
    """Sentences with herbs or doses go; nobody may read what nobody checked."""
    report = pipeline(engine()).run(case())
    [row] = report["reasoning"]["texts"]
    assert "生地黄" not in row["text"] and "30" not in row["text"]
    assert "方用犀角地黄汤" in row["text"]
    assert set(row["hides"]) == {"herb", "dose"}


@pytest.mark.parametrize("changes", [{"breastfeeding": "yes"}, {"age_years": 12}])
def test_a_withheld_formula_is_not_read_in_the_text_either(changes: dict[str, Any]) -> None:
    """Blocked by a rule, or without any TCM block: its name stands nowhere in the report."""
    report = pipeline(engine()).run(case(intake=form(**changes)))
    assert "犀角地黄" not in json.dumps(report["reasoning"]["texts"], ensure_ascii=False)
    assert "犀角地黄" not in render_text(report, VOCABULARY, "zh")


def test_without_the_practices_tcm_block_reasons_words_are_hidden() -> None:
    """The switch holds for words as for fields."""
    report = pipeline(engine(), Practice(tcm_block="off")).run(case())
    assert [(row["text"], row["hides"]) for row in report["reasoning"]["texts"]] == [(None, ["no_tcm"])]


def test_a_text_with_a_banned_substance_is_withheld_and_blocks_the_formula() -> None:
    """Whole; the herb check knows of it."""
    report = pipeline(engine(assessment=ASSESSMENT_TEXT + "外用轻粉。")).run(case())
    assert [(row["text"], row["hides"]) for row in report["reasoning"]["texts"]] == [(None, ["banned"])]
    assert report["tcm"]["formula"] is None
    assert report["reasoning"]["formula_withheld_by"]


def test_a_syndrome_that_no_word_names_is_not_the_persons_fault() -> None:
    """Not "not enough history": the words fit no entry."""
    report = pipeline(engine(assessment="此乃皮毛之疾,宜徐徐图之。")).run(case())
    assert ("text_not_coded", "reasoning", "syndrome") in reasons(report)
    assert report["reasoning"]["fields"]["syndrome"]["value"] == "insufficient_information"


def test_no_score_is_computed_from_words() -> None:
    """ "Marked infiltration" is no measured grade."""
    graded = WritingEngine({1: PLAQUE_TEXT + "重度浸润,大量鳞屑,重度红斑。"})
    report = pipeline(graded).run(case(intake=form(region_area_percent={"upper": 5.0})))
    assert report["recognition"][0]["fields"]["induration"]["value"] == 3
    assert report["severity"]["pasi"]["value"] is None
    assert report["severity"]["local_score"] == []


def test_the_second_turn_is_asked_only_where_the_bundle_declares_it() -> None:
    """On the open fields of every text; what it says is marked as its own."""

    def answer(request: CodingRequest) -> dict[str, Any]:
        return {name: {"at": "01", "value": "round_oval"} for name in request.schema["properties"] if name == "shape"}

    silent = engine(coded=answer)
    pipeline(silent).run(case())
    assert silent.questions == []
    writing = engine(coded=answer)
    report = pipeline(writing, coder=CoderSpec().model_dump()).run(case())
    VALIDATOR.validate(report)
    assert len(writing.questions) == 2  # Rec's and Reason's texts leave something open, Rep's nothing
    shape = report["recognition"][0]["fields"]["shape"]
    assert (shape["value"], shape["coded_by"], shape["probability"]) == (["round_oval"], "second_turn", None)
    assert "据原文编码，第二轮" in render_text(report, VOCABULARY, "zh")


def test_the_second_turn_can_close_a_case_and_never_open_one() -> None:
    """A backbone that calls everything psoriasis changes nothing; one that names a danger is heard."""

    def says(family: str) -> WritingEngine:
        def answer(request: CodingRequest) -> dict[str, Any]:
            told = {"family": family, "applicability": "lesion_visible"}
            return {name: {"at": "01", "value": told[name]} for name in request.schema["properties"] if name in told}

        return engine(coded=answer)

    coder = {"coder": CoderSpec().model_dump()}
    assert pipeline(says("papulosquamous"), **coder).run(case(marks=(3,)))["scope"]["decision"] == "abstained"
    assert pipeline(says("bullous"), **coder).run(case(marks=(3,)))["scope"]["decision"] == "out_of_scope"


def test_the_thought_before_an_answer_is_never_read_for_values() -> None:
    """A melanoma that was weighed and left is no finding; places still point into the whole text that is shown."""
    text = f"<think>\n1. {MOLE_TEXT}\n2. 形如环状。\n</think><answer>{PLAQUE_TEXT}</answer>"
    writing = WritingEngine({1: text})
    report = pipeline(writing, coder=CoderSpec().model_dump()).run(case())
    VALIDATOR.validate(report)
    assert report["scope"]["decision"] == "in_scope"
    view = report["recognition"][0]
    colour = view["fields"]["colour"]
    assert colour["value"] == ["bright_red"]
    assert [view["texts"][0]["text"][slice(*span)] for span in colour["spans"]] == ["鲜红色"]
    asked_about = "".join(question.texts["text"] for question in writing.questions)
    assert "鲜红色斑块" in asked_about
    assert "环状" not in asked_about and "黑色素瘤" not in asked_about


@pytest.mark.parametrize(
    "text",
    [
        f"<think>银屑病。</think><answer>{PLAQUE_TEXT}",  # the answer was cut off
        f"<think>{PLAQUE_TEXT}",  # the thought was
        f"<think>银屑病。</think>{PLAQUE_TEXT}",
    ],
)
def test_a_thought_without_its_answer_finds_nothing(text: str) -> None:
    """At the token limit: the case abstains, and the second turn is not asked about thoughts either."""
    writing = WritingEngine({1: text}, finish={"describe": "length"})
    report = pipeline(writing, coder=CoderSpec().model_dump()).run(case())
    assert (report["scope"]["decision"], reasons(report)) == ("abstained", [("text_not_coded", "scope", None)])
    assert {row["coded_by"] for row in report["recognition"][0]["fields"].values()} == {"nothing"}
    assert writing.questions == []


def test_a_thought_that_its_prompt_opened_is_known_without_tags() -> None:
    """A bundle that stops at `</answer>`: a text without any tag never came to its answer."""
    agents = text_manifest().model_dump()["agents"]
    agents["recognition"]["steps"][0]["generation"]["stop"] = ["</answer>"]
    writing = WritingEngine(VIEWS, finish={"describe": "length"})
    report = pipeline(writing, agents=agents).run(case())
    assert (report["scope"]["decision"], reasons(report)) == ("abstained", [("text_not_coded", "scope", None)])


def test_texts_stream_to_a_listener_and_progress_to_everyone() -> None:
    """Every character once and in order; the screen sees how far, never what."""
    heard: dict[tuple[str, int, str], str] = {}
    told: list[tuple[str, int, int]] = []

    def on_text(agent: str, row: int, step: str, chunk: str) -> None:
        heard[agent, row, step] = heard.get((agent, row, step), "") + chunk

    pipeline(engine()).run(
        case(marks=(1, 1)), on_progress=lambda stage, done, total: told.append((stage, done, total)), on_text=on_text
    )
    assert heard["recognition", 1, "describe"] == PLAQUE_TEXT
    assert heard["representation", 0, "pathogenesis"] == PATHOGENESIS_TEXT
    written = [done for stage, done, _ in told if stage == "writing"]
    assert written == sorted(written) and written


def test_nothing_a_model_wrote_leaves_the_device() -> None:
    """The result for the uplink holds ids alone; the person's copy and an unknown listener hold no model's words."""
    agreed = consent()
    words = "患者张三"
    writing = engine(representation=(INTEGRATED_TEXT + words, PATHOGENESIS_TEXT), assessment=ASSESSMENT_TEXT + words)
    report = pipeline(writing).run(case(agreed=agreed))
    assert words in json.dumps(report, ensure_ascii=False)  # kept in the local report
    result = deidentify(
        report,
        intake=form(),
        consent=agreed,
        record_id="0" * 32,
        year=2026,
        profile_class="mini_pc",
        language="zh",
    )
    assert result is not None
    told = result.model_dump_json()
    assert result.syndrome == "blood_heat"
    for text in (words, PLAQUE_TEXT[:6], INTEGRATED_TEXT[:6], "texts", "spans"):
        assert text not in told
    for audience in ("person", "clinician"):
        page = render_html(report, VOCABULARY, "zh", audience=audience)  # type: ignore[arg-type]
        assert (words in page) is (audience == "clinician")


def test_what_a_model_writes_is_no_template() -> None:
    """Braces in a text are not filled with another text, such as the form."""
    writing = WritingEngine({1: PLAQUE_TEXT + "{intake_zh}{images}{recognition_text}"})
    pipeline(writing).run(case())
    assert writing.texts_of("representation")["recognition_text"].endswith("{intake_zh}{images}{recognition_text}")


def test_nothing_of_a_case_stays_in_the_engine() -> None:
    """Also for texts."""
    writing = engine()
    pipeline(writing).run(case())
    assert writing.cached == 0


def mixed_manifest() -> Manifest:
    """Return a bundle whose Rec decides its scope fields under a schema, behind its text; no evidence for words."""
    told = text_manifest(text_scope=None).model_dump()
    fields = {
        "applicability": ["lesion_visible", "not_skin", "cannot_tell"],
        "family": ["papulosquamous", "cannot_tell"],
    }
    schema = {
        "type": "object",
        "properties": {name: {"enum": values} for name, values in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }
    told["agents"]["recognition"]["steps"].append(
        {"name": "decide", "prompt": "decide", "contract": "schema", "output_schema": schema,
         "decided_fields": list(fields), "generation": {"max_tokens": 40}}
    )  # fmt: skip
    return Manifest.model_validate(told)


class Deciding(WritingEngine):
    """Rec's text, and behind it a decision with probabilities: psoriasis, nearly for sure."""

    def run(self, agent: AgentName, requests: Any, *, on_field: Any = None) -> list[tuple[AgentOutput, ...]]:
        """Add the decided step."""
        rows = super().run(agent, requests, on_field=on_field)
        if agent != "recognition":
            return rows
        value = {"applicability": "lesion_visible", "family": "papulosquamous"}
        fields = {name: FieldValue(told, 0.97, {told: 0.97, "cannot_tell": 0.03}) for name, told in value.items()}
        decided = AgentOutput(agent, "decide", "", value, fields, 2, 9)
        return [(*steps, decided) for steps in rows]


@pytest.mark.parametrize(
    ("text", "decision"),
    [(VAGUE_TEXT, "in_scope"), (PLAQUE_TEXT, "in_scope"), (PLAQUE_TEXT + "不除外黑色素瘤。", "out_of_scope")],
)
def test_a_decided_step_behind_the_text_opens_by_its_probability(text: str, decision: str) -> None:
    """The threshold counts there, not the words; a danger in the words still closes."""
    report = CasePipeline(Deciding({1: text}), mixed_manifest(), VOCABULARY).run(case())
    VALIDATOR.validate(report)
    assert report["scope"]["decision"] == decision
    family = report["recognition"][0]["fields"]["family"]
    assert (family["probability"] == 0.97) is (decision == "in_scope")
    assert report["recognition"][0]["fields"]["shape"]["origin"] == "coded"


def look(text: str) -> AgentOutput:
    """Return one look of Rec at a view, read."""
    reader = TextReader(WritingEngine({1: text}), text_manifest(), VOCABULARY)
    return reader.run("recognition", [Request((ScriptedView(1),), {})])[0][0]


@pytest.mark.parametrize(
    ("second", "decision"), [(PLAQUE_TEXT, "in_scope"), (VAGUE_TEXT, "abstained"), (MOLE_TEXT, "out_of_scope")]
)
def test_every_look_at_a_view_must_say_ours(second: str, decision: str) -> None:
    """A picture that is ours upright and vague when turned is not recognised; a danger in any look counts fully."""
    scope = decide([Finding(0, look(PLAQUE_TEXT))], text_manifest().thresholds, further={0: [look(second)]})
    assert scope.decision == decision
