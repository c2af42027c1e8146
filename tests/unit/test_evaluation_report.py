"""The report: readable offline, honest about what fell, the same bytes for the same figures."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.case_folder import EvaluationCase, read_cases, write_case
from calibration.evaluation.comparison import Comparison
from calibration.evaluation.evaluate import Evaluation, Measured
from calibration.evaluation.figures import field_figures, mean_accuracy, paired_text_scores, reliability, text_figures
from calibration.evaluation.gates import judge
from calibration.evaluation.limits import QualityGate
from calibration.evaluation.outcomes import outcomes_of
from calibration.evaluation.plots import Point, pareto_front
from calibration.evaluation.report import REPORT, SUMMARY, write_report
from calibration.evaluation.text_scores import CORPUS_BLEU, SENTENCE_SCORES
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from tests.simulators.answered_cases import SHOTS, forced, labelled_case, right_answer, saying
from tests.simulators.reference import BUNDLE
from tests.unit.test_evaluation_case_folder import picture

GATES = [
    QualityGate(metric="danger_refusal_loss", limit=0.2, is_hard=True, min_cases=1),
    QualityGate(metric="field_accuracy_loss", group="each_tone", limit=0.02, min_cases=1),
    QualityGate(metric="divergence", part="recognition", limit=0.5, min_cases=1),
    QualityGate(metric="divergence", part="reasoning", limit=0.5, min_cases=1),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The shipped bundle: its manifest names the report, its files give the sizes."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))


def cases_in(folder: Path, count: int) -> list[EvaluationCase]:
    """Write made-up cases of two tones and three distances and read them."""
    for number in range(count):
        family = "pigmented_lesion" if number % 5 == 0 else "papulosquamous"
        case = labelled_case(number, tone="15"[number % 2], family=family, shot=SHOTS[number % 3])
        write_case(folder, case.file, {"1.png": picture()})
    return read_cases(folder)


def evaluation_of(cases: list[EvaluationCase], bundle: Bundle) -> Evaluation:
    """Return an evaluation whose candidate errs on tone 5."""
    rng = random.Random(7)
    before = [forced(right_answer(case, confidence=rng.uniform(0.6, 1)), [0.0, 1.0]) for case in cases]
    after = [worse(case, answer, number) for number, (case, answer) in enumerate(zip(cases, before, strict=True))]
    comparison = Comparison(cases, before, after)
    reference = Measured("fp32", bundle, tuple(before), 20_000_000, 80.0)
    candidate = Measured("int4 <b>", bundle, tuple(after), 7_000_000, 66.0)
    return Evaluation(cases, candidate, reference, comparison, tuple(judge(comparison, GATES)))


def worse(case: EvaluationCase, answer: CaseAnswer, number: int) -> CaseAnswer:
    """Say another family on a third of tone 5."""
    told = forced(answer, [0.2, 1.0])
    return saying(told, "recognition.family", "eczematous") if case.file.tone_group == "5" and number % 3 else told


@pytest.fixture(scope="module")
def written(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 60 made-up cases."""
    folder = tmp_path_factory.mktemp("report")
    write_report(evaluation_of(cases_in(folder / "cases", 60), bundle), folder / "out")
    return folder / "out"


class Links(HTMLParser):
    """Collect everything in a page that could load something, and all ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one tag."""
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.targets += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "data"}]


def test_losses_stand_with_bounds_whether_or_not_a_gate_judges(written: Path) -> None:
    """The candidate errs on two of three families of tone 5 and nowhere else: lost there, nothing lost on tone 1."""
    rows = {row["group"]: row for row in json.loads((written / SUMMARY).read_text(encoding="utf-8"))["losses"]}
    assert rows["tone 1"]["value"] == 0.0
    assert rows["tone 5"]["value"] > rows["all cases"]["value"] > 0
    assert rows["tone 5"]["bound"] > rows["tone 5"]["value"]
    page = (written / REPORT).read_text(encoding="utf-8")
    assert f"<td>tone 5</td><td>{100 * rows['tone 5']['value']:+.2f}</td>" in page


def test_precision_of_every_part_is_told(written: Path, bundle: Bundle) -> None:
    """The census of each bundle's files stands in the page and in the summary."""
    page = (written / REPORT).read_text(encoding="utf-8")
    summary = json.loads((written / SUMMARY).read_text(encoding="utf-8"))
    assert bundle.manifest.census
    for row in bundle.manifest.census:
        assert f'<td>{row.part}</td><td class="text">{row.element_type}</td><td>{row.tensors}</td>' in page
    told = summary["bundles"]["candidate"]["census"]
    assert [row["bytes"] for row in told] == [row.bytes for row in bundle.manifest.census]


def test_the_page_loads_nothing(written: Path) -> None:
    """No script, no picture, font or style from elsewhere; every link stays inside the page and has its target."""
    page = Links()
    page.feed((written / REPORT).read_text(encoding="utf-8"))
    assert not page.tags & {"script", "img", "link", "iframe", "object"}
    assert all(target.startswith("#") for target in page.targets)
    assert {target.removeprefix("#") for target in page.targets} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\((?!#)|@import", (written / REPORT).read_text(encoding="utf-8"))


def test_the_page_has_every_picture(written: Path) -> None:
    """Trade-off, bars by group, reliability, gates."""
    text = (written / REPORT).read_text(encoding="utf-8")
    assert re.findall(r'<svg role="img" aria-label="(\w+)"', text) == ["pareto", "bars", "reliability", "gates"]


def test_the_page_says_what_fell(written: Path) -> None:
    """The verdict names gate and group, a gate that cannot be computed too; names from outside are escaped."""
    text = (written / REPORT).read_text(encoding="utf-8")
    assert "gates are NOT met. Do not ship this bundle." in text
    assert "field_accuracy_loss, tone 5" in text
    assert "cannot be computed: nothing of reasoning was teacher-forced" in text
    assert "int4 &lt;b&gt;" in text
    assert "int4 <b>" not in text


def test_the_summary_lists_every_flip(written: Path) -> None:
    """Case by case, with the truth beside both answers."""
    summary = json.loads((written / SUMMARY).read_text(encoding="utf-8"))
    flips = summary["flips"]
    assert {flip["what"] for flip in flips} == {"family"}
    assert {flip["tone"] for flip in flips} == {"5"}
    rows = {(row["what"], row["group"]): row["cases"] for row in summary["flip_table"]}
    assert rows["family", "all cases"] == rows["family", "tone 5"] == len({flip["case_id"] for flip in flips})
    assert rows["family", "tone 1"] == 0
    assert flips[0].keys() == {"case_id", "tone", "view_type", "what", "view", "before", "after", "truth"}


def test_the_same_figures_are_the_same_bytes(written: Path, bundle: Bundle, tmp_path: Path) -> None:
    """Two reports of one evaluation differ in nothing."""
    cases = read_cases(written.parent / "cases")
    write_report(evaluation_of(cases, bundle), tmp_path)
    assert (tmp_path / REPORT).read_bytes() == (written / REPORT).read_bytes()


def test_without_a_reference_nothing_is_judged(written: Path, bundle: Bundle, tmp_path: Path) -> None:
    """A measurement alone never looks like a pass."""
    cases = read_cases(written.parent / "cases")[:4]
    answers = tuple(right_answer(case) for case in cases)
    write_report(Evaluation(cases, Measured("int4", bundle, answers, 1, None)), tmp_path)
    text = (tmp_path / REPORT).read_text(encoding="utf-8")
    assert "Measured, not judged" in text
    assert "<h2>Gates</h2>" not in text


def test_field_figures_by_hand() -> None:
    """Three of four families right at 0.9: accuracy .75, error |.75 - .9| = .15; the constant answer has 3 of 4 too."""
    cases = [labelled_case(number, tone="1" if number < 2 else "5") for number in range(3)]
    cases.append(labelled_case(3, tone="5", family="eczematous"))
    answers = [right_answer(case) for case in cases]
    answers[3] = saying(answers[3], "recognition.family", "papulosquamous")
    figures = field_figures(outcomes_of(cases, answers))
    family = figures["recognition.family"]
    assert (family["accuracy"], family["ece"], family["constant"]) == (0.75, 0.15, 0.75)
    assert family["groups"]["tone 5"]["accuracy"] == 0.5
    assert family["groups"]["view close_up"]["n"] == 4
    assert mean_accuracy({"a": family, "b": {**family, "accuracy": 0.25}}) == 0.5
    [(sure, right, count)] = reliability(
        row for row in outcomes_of(cases, answers) if row.field == "recognition.family"
    )
    assert sure == pytest.approx(0.9)
    assert (right, count) == (0.75, 4)


def test_texts_are_scored_against_the_experts() -> None:
    """A text as the expert wrote it has 1 in every named score; texts without an expert's are left out."""
    words = "皮损鲜红，鳞屑较多，瘙痒明显。"
    case = labelled_case(0, texts={"representation.integrate": words})
    told = {"representation.integrate": words, "view1.recognition.describe": "红"}
    [(step, row)] = text_figures([case], [right_answer(case).model_copy(update={"texts": told})]).items()
    assert step == "representation.integrate"
    assert {row[name] for name in (CORPUS_BLEU, *SENTENCE_SCORES)} == {1.0}


def test_texts_are_scored_by_group() -> None:
    """The dark tone's text is another one: its scores stand alone, and so do those of its distance."""
    words = "皮损鲜红，鳞屑较多，瘙痒明显。"
    cases = [
        labelled_case(k, tone=tone, shot=shot, texts={"reasoning.assess": words})
        for k, (tone, shot) in enumerate((("1", "close_up"), ("5", "regional")))
    ]
    said = (words, "完全不同之语")
    answers = [
        right_answer(case).model_copy(update={"texts": {"cascade.assess": one}})
        for case, one in zip(cases, said, strict=True)
    ]
    groups = text_figures(cases, answers)["cascade.assess"]["groups"]
    scores = {name: row[SENTENCE_SCORES[1]] for name, row in groups.items()}
    assert scores["tone 1"] == scores["view close_up"] == 1.0
    assert scores["tone 5"] == scores["view regional"] < 0.5
    assert {row["n"] for row in groups.values()} == {1}


def test_a_text_that_the_candidate_leaves_out_scores_nothing() -> None:
    """Else a bundle that writes nothing would drop out of the comparison instead of losing it."""
    case = labelled_case(0, texts={"reasoning.assess": "证属血热"})
    before = right_answer(case).model_copy(update={"texts": {"reasoning.assess": "证属血热"}})
    pairs = paired_text_scores([case], [before], [right_answer(case)])
    assert {pair[0] for pair in pairs.values()} == {(1.0, 0.0)}


def test_the_front_is_what_nobody_beats() -> None:
    """Smaller, faster and as accurate beats; smaller and less accurate does not; the untimed are compared by the rest."""
    fp32 = Point("fp32", 0.92, 20, 80.0)
    int8 = Point("int8", 0.92, 10, 70.0)
    int4 = Point("int4", 0.91, 7, 66.0)
    slow = Point("slow", 0.91, 7, None)
    worse_one = Point("worse", 0.90, 8, None)
    assert pareto_front([fp32, int8, int4, slow, worse_one]) == [int8, int4, slow]
