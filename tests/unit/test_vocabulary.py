"""The vocabulary files: complete, closed, the same ids as the form's types and the wire's."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from edge_agent.contracts import intake_values, result
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
}
MODEL_ENUMS = [
    "applicability",
    "family",
    "primary_lesion",
    "secondary_change",
    "colour",
    "scale_type",
    "border",
    "shape",
    "arrangement",
    "count_in_view",
    "surface_share",
    "distribution",
    "symmetry",
    "phenotype",
    "stage",
    "principle",
    "formula",
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


@pytest.mark.parametrize(("type_name", "list_name"), FORM_LISTS.items())
def test_form_types_and_files_hold_the_same_ids(vocabulary: Vocabulary, type_name: str, list_name: str) -> None:
    """A form value without a label, or a label without a form value, is a mistake."""
    assert tuple(vocabulary.lists[list_name].terms) == typing.get_args(getattr(intake_values, type_name))


@pytest.mark.parametrize(
    ("type_name", "list_name"),
    [("Scope", "scope"), ("AbstainReason", "abstain_reason"), ("Triage", "triage")],
)
def test_wire_types_know_every_id_of_a_report(vocabulary: Vocabulary, type_name: str, list_name: str) -> None:
    """What a report can say of scope, abstention and tier can also be sent."""
    assert set(vocabulary.lists[list_name].terms) == set(typing.get_args(getattr(result, type_name)))


@pytest.mark.parametrize("name", MODEL_ENUMS)
def test_every_list_a_model_fills_ends_with_cannot_tell(vocabulary: Vocabulary, name: str) -> None:
    """Section 0.2: a model can always decline."""
    assert list(vocabulary.lists[name].terms)[-1] == "cannot_tell"


def test_every_entry_has_both_languages_a_source_and_a_status(vocabulary: Vocabulary) -> None:
    """Section 0.1: id, zh, en, status, source, since; ids are ASCII snake_case (AVPU letters excepted)."""
    for found in vocabulary.lists.values():
        for term in found.terms.values():
            assert term.zh and term.en and term.source and term.since == 1
            assert term.status == "unreviewed"
            assert term.id.isascii() and term.id.replace("_", "").isalnum()


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
    row = '[x]\nzh = "甲"\nen = "x"\nmax = 1\nvalues = [{{ id = "{}", zh = "{}", en = "e", status = "s", source = "s", since = 1 }}]'
    digests = []
    for term_id, label in (("a", "一"), ("a", "二"), ("b", "一")):
        (tmp_path / "x.toml").write_text(row.format(term_id, label), encoding="utf-8")
        digests.append(Vocabulary.load(tmp_path).sha256)
    assert digests[0] == digests[1] != digests[2]


def test_an_id_listed_twice_is_refused(tmp_path: Path) -> None:
    """Ids are never re-used, not even inside one list."""
    entry = '{ id = "a", zh = "一", en = "e", status = "s", source = "s", since = 1 }'
    text = f'[x]\nzh = "甲"\nen = "x"\nmax = 1\nvalues = [{entry}, {entry}]'
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="lists a twice"):
        Vocabulary.load(tmp_path)


def test_a_bundle_with_an_unknown_id_is_refused(vocabulary: Vocabulary) -> None:
    """A bundle that may answer an id which nobody can read is not loaded; the line names field and id."""
    schema = {"properties": {"colour": {"type": "array", "items": {"enum": ["bright_red", "ultraviolet"]}}}}
    with pytest.raises(Incompatible, match="colour = ultraviolet"):
        vocabulary.check_manifest(manifest(schemas={"recognition": schema}))


def test_grades_in_a_schema_are_not_ids(vocabulary: Vocabulary) -> None:
    """0-4 and null need no entry."""
    vocabulary.check_manifest(manifest(schemas={"recognition": {"properties": {"induration": {"enum": [0, 3, None]}}}}))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_fixed_texts_exist_in_each_language(vocabulary: Vocabulary, lang: typing.Literal["zh", "en"]) -> None:
    """Safety-netting words are never generated, so each must be there."""
    for name in ("sn_return", "sn_no_stop", "ai_notice", "ref_notice", "test_case", "rules_unreviewed"):
        assert len(vocabulary.label(name, lang, of="text")) > 5
