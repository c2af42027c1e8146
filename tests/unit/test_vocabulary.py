"""The vocabulary files: complete, closed, the same ids as the form's types and the wire's, four kinds of nothing."""

from __future__ import annotations

import re
import typing
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.abstention import nothing_of
from edge_agent.contracts import intake_values, result
from edge_agent.contracts.agent_schemas import first_token_clashes
from edge_agent.contracts.nothing import SPELLINGS, Nothing, kind_of
from edge_agent.contracts.terms import LANGUAGES, Vocabulary
from edge_agent.errors import ConfigError, Incompatible
from tests.simulators.cases import manifest

FORM_LISTS = {
    "Shot": "shot",
    "Laterality": "laterality",
    "BodySite": "body_site",
    "Examined": "examined",
    "Known": "known",
    "Sex": "sex",
    "Pregnancy": "pregnancy",
    "Duration": "duration",
    "Course": "course",
    "Symptom": "symptom",
    "Avpu": "avpu",
    "Tier": "triage",
    "DangerSign": "danger_sign",
    "TcmExaminer": "tcm_examiner",
    "TongueColour": "tongue_body_colour",
    "TongueFeature": "tongue_body_feature",
    "CoatingColour": "tongue_coating_colour",
    "CoatingTexture": "tongue_coating_texture",
    "SublingualVeins": "sublingual_veins",
    "Pulse": "pulse",
    "GeneralSign": "general_sign",
    "Season": "season",
    "Trigger": "trigger",
    "DrugClass": "new_drug_class",
    "Allergy": "allergy",
    "Treatment": "current_treatment",
    "Response": "treatment_response",
    "Comorbidity": "comorbidity",
    "FamilyHistory": "family_history",
    "Smoking": "smoking",
    "Alcohol": "alcohol",
    "PestItem": "pest",
    "WorkerSign": "worker_examination",
    "AffectedRegion": "affected_region",
    "ViewQuality": "view_quality",
}
FORM_SUBSETS = {"OwnTierReason": ("decision_reason", {"agree"})}  # who agrees gives no other tier
WIRE_LISTS = {
    "AgeBand": "age_band",
    "ToneGroup": "tone_group",
    "Family": "family",
    "Phenotype": "phenotype",
    "Stage": "stage",
    "SeverityBand": "severity_band",
    "Scope": "scope",
    "Syndrome": "syndrome",
    "Triage": "triage",
    "AbstainReason": "abstain_reason",
    "DecisionReason": "decision_reason",
    "Section": "decided_section",
    "QualityReason": "quality_reason",
}
# The draft's limits of lists (sections 1, 2, 3 and 5); every other field that a model fills has one value.
MAXIMA = {
    "primary_lesion": 3, "secondary_change": 4, "colour": 2, "shape": 2, "special": 3, "distribution": 3,
    "mechanism": 3, "location": 2, "principle": 3, "biomedical_condition": 4, "quality_reason": 4, "limitation": 6,
}  # fmt: skip
REC_ORDER = [
    "applicability", "family", "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount",
    "erythema", "induration", "border", "shape", "arrangement", "count_in_view", "surface_share", "special",
    "narrative",
]  # fmt: skip
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Ids that are no snake_case, with their reason: letters of the AVPU scale, triage tiers, ids that begin with a number.
ODD_IDS = {
    "avpu": re.compile("[AVPU]"),
    "triage": re.compile("T[1-5]_[a-z_]+"),
    "surface_share": re.compile("[0-9]{2}_[0-9]{2}"),
    "age_band": re.compile("[0-9]+_([0-9]+|plus)"),
    "second_reading_reason": re.compile("T3"),  # the word of the policy file
    "visit_index_band": re.compile("[0-9](_([0-9]|plus))?"),
}
# Chinese labels without a Chinese character: numbers with their unit, and names of scores.
SAME_IN_CHINESE = re.compile(r"[0-9<>≥≤+–% ]+|PASI|PGA|BSA|PEST|ICD-11|SNOMED CT")
HEADINGS = {
    "word",
    "form_field",
    "letter_word",
}  # words of the printed page and names of questions: no values to choose between
# Sections 3b and 5.3: a mechanism or syndrome that cannot be told is called so by its own id.
OTHER_LAST = {"syndrome": "insufficient_information", "mechanism": "insufficient_information"}


def model_lists(vocabulary: Vocabulary) -> list[str]:
    """Name the lists of ids that an agent fills; grades and free texts have no ids."""
    return [name for name, found in vocabulary.lists.items() if found.model is not None and found.terms]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


@pytest.mark.parametrize(("type_name", "list_name"), FORM_LISTS.items())
def test_form_types_and_files_hold_the_same_ids(vocabulary: Vocabulary, type_name: str, list_name: str) -> None:
    """A form value without a label, or a label without a form value, is a mistake."""
    assert tuple(vocabulary.lists[list_name].terms) == typing.get_args(getattr(intake_values, type_name))


def test_every_type_of_the_form_is_compared() -> None:
    """A new closed type of the form needs a list with its words."""
    types = {name for name, kind in vars(intake_values).items() if typing.get_origin(kind) is typing.Literal}
    assert types == {*FORM_LISTS, *FORM_SUBSETS}


@pytest.mark.parametrize(("type_name", "found"), FORM_SUBSETS.items())
def test_a_form_type_that_is_part_of_a_list_lacks_only_what_is_said(
    vocabulary: Vocabulary, type_name: str, found: tuple[str, set[str]]
) -> None:
    """The reason for another tier is a decision reason, but never agreement."""
    name, lacking = found
    assert set(typing.get_args(getattr(intake_values, type_name))) == set(vocabulary.lists[name].terms) - lacking


@pytest.mark.parametrize(("type_name", "list_name"), WIRE_LISTS.items())
def test_wire_types_know_every_id_of_a_report(vocabulary: Vocabulary, type_name: str, list_name: str) -> None:
    """What a report can say can also be sent; the wire adds only kinds of nothing."""
    ids, sent = set(vocabulary.lists[list_name].terms), set(typing.get_args(getattr(result, type_name)))
    assert ids <= sent
    assert sent - ids <= {"not_examined", "not_applicable"}


def test_the_decisions_of_the_wire_are_those_of_the_vocabulary(vocabulary: Vocabulary) -> None:
    """Accepted, corrected, rejected; and the bands of the visit's number."""
    decision = result.SectionDecision.model_fields["decision"].annotation
    assert list(typing.get_args(decision)) == list(vocabulary.lists["decision"].terms)
    band = typing.get_args(result.Result.model_fields["visit_index_band"].annotation)[0]
    assert list(typing.get_args(band)) == list(vocabulary.lists["visit_index_band"].terms)


def test_every_list_a_model_fills_ends_with_cannot_tell(vocabulary: Vocabulary) -> None:
    """Section 0.2: a model can always decline; a syndrome and a mechanism do so by insufficient_information."""
    last = {name: list(vocabulary.lists[name].terms)[-1] for name in model_lists(vocabulary)}
    assert len(last) == 24  # 12 of Rec, 6 of Rep, 6 of Reason
    assert last == {name: OTHER_LAST.get(name, "cannot_tell") for name in last}
    for name in OTHER_LAST:
        assert "cannot_tell" not in vocabulary.lists[name].terms


@pytest.mark.parametrize("agent", ["recognition", "representation"])
def test_what_is_withheld_can_be_written(vocabulary: Vocabulary, agent: typing.Any) -> None:
    """The value that a withheld field gets is one that its published schema allows."""
    for field, rule in vocabulary.agent_schema(agent)["properties"].items():
        if field == "narrative":
            continue
        nothing = nothing_of(field)
        allowed = rule["items"]["enum"] if rule.get("type") == "array" else rule["enum"]
        assert isinstance(nothing, list) == (rule.get("type") == "array"), field
        assert (nothing[0] if isinstance(nothing, list) else nothing) in allowed, field


def test_every_entry_has_both_languages_a_source_and_a_status(vocabulary: Vocabulary) -> None:
    """Section 0.1: id, zh, en, status, source, since; nobody licensed has reviewed any of it yet."""
    for found in vocabulary.lists.values():
        assert found.zh and found.en and found.zh != found.en
        for term in found.terms.values():
            assert term.zh and term.en and term.source and term.since == 1
            assert term.status == "unreviewed"


def test_ids_are_ascii_snake_case(vocabulary: Vocabulary) -> None:
    """Section 0.1, with the exceptions that ODD_IDS names."""
    for name, found in vocabulary.lists.items():
        for term_id in found.terms:
            odd = ODD_IDS.get(name)
            assert SNAKE.fullmatch(term_id) or (odd is not None and odd.fullmatch(term_id)), f"{name}.{term_id}"


def test_labels_are_in_their_language(vocabulary: Vocabulary) -> None:
    """Chinese words hold a Chinese character unless they are numbers or names of scores; English ones hold none."""
    for name, found in vocabulary.lists.items():
        for term in found.terms.values():
            is_chinese = re.search(r"[\u4e00-\u9fff]", term.zh) is not None
            assert is_chinese or SAME_IN_CHINESE.fullmatch(term.zh), f"{name}.{term.id}: {term.zh}"
            assert not re.search(r"[\u4e00-\u9fff]", term.en), f"{name}.{term.id}: {term.en}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_two_values_of_a_list_read_alike(vocabulary: Vocabulary, lang: typing.Literal["zh", "en"]) -> None:
    """Who chooses or reads a value can tell it from every other value of the list."""
    for name, found in vocabulary.lists.items():
        if name in HEADINGS:
            continue
        counted = Counter(vocabulary.label(term_id, lang, of=name) for term_id in found.terms)
        assert [label for label, times in counted.items() if times > 1] == [], name


def test_lists_have_the_limits_of_the_draft(vocabulary: Vocabulary) -> None:
    """Section 0.4: a maximum length; one value where the draft says one."""
    told = {name: vocabulary.lists[name].max for name in {*model_lists(vocabulary), *MAXIMA}}
    assert told == {name: MAXIMA.get(name, 1) for name in told}


def test_recognition_writes_its_sixteen_fields_in_the_order_of_the_draft(vocabulary: Vocabulary) -> None:
    """Section 0.4: key order is part of the contract."""
    assert list(vocabulary.agent_schema("recognition")["properties"]) == REC_ORDER


def test_grades_are_whole_numbers_from_zero_to_four_or_null(vocabulary: Vocabulary) -> None:
    """Section 2, fields 7 to 9."""
    rules = vocabulary.agent_schema("recognition")["properties"]
    for name in ("scale_amount", "erythema", "induration"):
        assert rules[name] == {"enum": [0, 1, 2, 3, 4, None]}


def test_the_four_kinds_of_nothing_are_defined(vocabulary: Vocabulary) -> None:
    """Section 0.2: the list, its other spellings and the type say the same."""
    found = vocabulary.lists["nothing"]
    assert list(found.terms) == [kind.value for kind in Nothing]
    spelled = {one: kind for kind in found.terms for one in [kind, *found.terms[kind].facts["also"]]}
    assert spelled == {one: kind.value for one, kind in SPELLINGS.items()}


def test_no_list_merges_two_kinds_of_nothing(vocabulary: Vocabulary) -> None:
    """One id is one kind, one kind has one id per list, and no words stand for two kinds anywhere."""
    kinds: dict[str, set[Nothing]] = defaultdict(set)
    for name, found in vocabulary.lists.items():
        if name in HEADINGS:
            continue
        told = {term_id: kind for term_id in found.terms if (kind := kind_of(term_id, null=Nothing.CANNOT_TELL))}
        assert len(set(told.values())) == len(told), name
        for term_id, kind in told.items():
            for lang in LANGUAGES:
                kinds[vocabulary.label(term_id, lang, of=name)].add(kind)
    assert {label: sorted(found) for label, found in kinds.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("value", "null", "kind"),
    [
        ("not_examined", Nothing.CANNOT_TELL, Nothing.NOT_EXAMINED),
        (["cannot_tell"], Nothing.NOT_EXAMINED, Nothing.CANNOT_TELL),
        ("insufficient_information", Nothing.NOT_EXAMINED, Nothing.CANNOT_TELL),
        (["none"], Nothing.NOT_EXAMINED, Nothing.ABSENT),
        ("not_applicable", Nothing.ABSENT, Nothing.NOT_APPLICABLE),
        (None, Nothing.NOT_EXAMINED, Nothing.NOT_EXAMINED),
        ([], Nothing.CANNOT_TELL, Nothing.CANNOT_TELL),
        (0, Nothing.CANNOT_TELL, None),
        (["bright_red", "brown"], Nothing.CANNOT_TELL, None),
        ("yes", Nothing.CANNOT_TELL, None),
    ],
)
def test_a_value_is_one_kind_of_nothing_or_none(value: Any, null: Nothing, kind: Nothing | None) -> None:
    """Grade 0 and "yes" tell something; null and the empty list are what the reader says they are."""
    assert kind_of(value, null=null) is kind


@pytest.mark.parametrize("value", [["none", "cannot_tell"], ["bright_red", "cannot_tell"], ["none", "scale"]])
def test_a_list_that_mixes_nothing_with_something_is_refused(value: list[str]) -> None:
    """Nothing can be added to "none" or to "cannot tell"."""
    with pytest.raises(ValueError, match="mixes a kind of nothing"):
        kind_of(value, null=Nothing.CANNOT_TELL)


def test_values_that_share_their_first_token_are_found() -> None:
    """An engine decides at the first token; planted clashes are named, and nothing else."""
    split = {"red": [1, 2], "dark_red": [3, 2], "dark_brown": [3, 4], "pink": [5], "": []}
    assert first_token_clashes(["red", "dark_red", "pink"], split.__getitem__) == []
    assert first_token_clashes(["red", "dark_red", "dark_brown"], split.__getitem__) == [("dark_red", "dark_brown")]
    assert first_token_clashes(["red", ""], split.__getitem__) == [("red", "")]


def test_three_values_with_one_first_token_are_three_pairs() -> None:
    """Every pair is named, each once."""
    clashes = first_token_clashes(["a1", "a2", "a3", "b"], lambda text: text.encode())
    assert clashes == [("a1", "a2"), ("a1", "a3"), ("a2", "a3")]


def test_one_id_may_have_different_words_in_two_lists(vocabulary: Vocabulary) -> None:
    """``flexural`` is a place in one list and a type of psoriasis in another."""
    assert vocabulary.label("flexural", "zh", of="distribution") == "屈侧/皱褶"
    assert vocabulary.label("flexural", "zh", of="phenotype") == "反向型"


def test_rhinoceros_horn_is_only_named_as_its_substitute(vocabulary: Vocabulary) -> None:
    """Section 5.4: the formula's label says buffalo horn in both languages."""
    assert "水牛角" in vocabulary.label("xijiao_dihuang_tang", "zh", of="formula")
    assert "buffalo" in vocabulary.label("xijiao_dihuang_tang", "en", of="formula")


def test_digest_changes_with_an_id_but_not_with_a_label(tmp_path: Path) -> None:
    """A mended translation must not make a bundle incompatible; another id must."""
    row = '[x]\nzh = "甲"\nen = "x"\nmax = 1\nvalues = [{{ id = "{}", zh = "{}", en = "e", status = "reviewed", source = "s", since = 1 }}]'
    digests = []
    for term_id, label in (("a", "一"), ("a", "二"), ("b", "一")):
        (tmp_path / "x.toml").write_text(row.format(term_id, label), encoding="utf-8")
        digests.append(Vocabulary.load(tmp_path).sha256)
    assert digests[0] == digests[1] != digests[2]


def test_an_id_listed_twice_is_refused(tmp_path: Path) -> None:
    """Ids are never re-used, not even inside one list."""
    entry = '{ id = "a", zh = "一", en = "e", status = "reviewed", source = "s", since = 1 }'
    text = f'[x]\nzh = "甲"\nen = "x"\nmax = 1\nvalues = [{entry}, {entry}]'
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="lists a twice"):
        Vocabulary.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("modle = 1\n", "unknown key modle"),
        ('model = { agent = "recogniser", step = "describe", order = 1 }\n', "names the agent 'recogniser'"),
        ('model = { agent = "recognition", step = "describe", order = 1, grades = [4, 0] }\n', "least and the largest"),
        ('model = { agent = "recognition", step = "describe" }\n', "lacks 'order'"),
    ],
)
def test_a_malformed_list_is_refused_with_its_place(tmp_path: Path, change: str, line: str) -> None:
    """File and list are named, so that a translator can mend it."""
    (tmp_path / "x.toml").write_text(f'[y]\nzh = "甲"\nen = "x"\nmax = 1\n{change}values = []\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=f"x.toml.*y.*{line}"):
        Vocabulary.load(tmp_path)


def test_an_id_is_not_used_again_by_a_later_schema(tmp_path: Path) -> None:
    """Ids are never re-used: a later ``since`` does not make the same id another entry."""
    rows = [f'{{ id = "a", zh = "一", en = "{n}", status = "reviewed", source = "s", since = {n} }}' for n in (1, 2)]
    text = f'[x]\nzh = "甲"\nen = "x"\nmax = 1\nvalues = [{", ".join(rows)}]'
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="lists a twice"):
        Vocabulary.load(tmp_path)


def test_two_fields_at_one_place_of_an_answer_are_refused(tmp_path: Path) -> None:
    """Key order must be unambiguous."""
    model = 'model = { agent = "recognition", step = "describe", order = 1 }'
    lists = [f'[{name}]\nzh = "甲"\nen = "x"\nmax = 1\n{model}\nvalues = []\n' for name in ("p", "q")]
    (tmp_path / "x.toml").write_text("".join(lists), encoding="utf-8")
    with pytest.raises(ConfigError, match="p and q have one order"):
        Vocabulary.load(tmp_path)


def test_a_bundle_with_an_unknown_id_is_refused(vocabulary: Vocabulary) -> None:
    """A bundle that may answer an id which nobody can read is not loaded; the line names field and id."""
    schema = {"properties": {"colour": {"type": "array", "items": {"enum": ["bright_red", "ultraviolet"]}}}}
    with pytest.raises(Incompatible, match="colour = ultraviolet"):
        vocabulary.check_manifest(manifest(schemas={"recognition": schema}))


def test_grades_in_a_schema_are_not_ids(vocabulary: Vocabulary) -> None:
    """0-4 and null need no entry; 5 is no grade."""
    vocabulary.check_manifest(manifest(schemas={"recognition": {"properties": {"induration": {"enum": [0, 3, None]}}}}))
    with pytest.raises(Incompatible, match="induration = 5"):
        vocabulary.check_manifest(manifest(schemas={"recognition": {"properties": {"induration": {"enum": [0, 5]}}}}))


@pytest.mark.parametrize(
    ("agent", "properties", "line"),
    [
        ("recognition", {"mood": {"type": "string"}}, "recognition may write the key mood"),
        (
            "recognition",
            {"colour": {"type": "array", "items": {"enum": ["brown"]}, "maxItems": 3}},
            "3 values of colour",
        ),
        ("representation", {"syndrome": {"enum": ["blood_heat"]}}, "representation may answer syndrome = blood_heat"),
        ("reasoning", {"formula": {"type": "string", "maxLength": 9}}, "may answer formula with a string"),
        ("reasoning", {"syndrome": {"enum": ["blood_heat"]}, "dose_g": {"enum": [9]}}, "may write the key dose_g"),
    ],
)
def test_a_bundle_that_may_write_more_than_is_published_is_refused(
    vocabulary: Vocabulary, agent: typing.Any, properties: dict[str, Any], line: str
) -> None:
    """Another key, a longer list, another agent's field, prose in place of an id, a dose: one line names it."""
    with pytest.raises(Incompatible, match=line):
        vocabulary.check_manifest(manifest(schemas={agent: {"properties": properties}}))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_fixed_texts_exist_in_each_language(vocabulary: Vocabulary, lang: typing.Literal["zh", "en"]) -> None:
    """Safety-netting words are never generated, so each must be there."""
    for name in ("sn_return", "sn_no_stop", "ai_notice", "ref_notice", "test_case", "rules_unreviewed"):
        assert len(vocabulary.label(name, lang, of="text")) > 5
