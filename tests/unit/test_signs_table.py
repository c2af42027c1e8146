"""Rules of the sign table: which recorded value speaks for or against which claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.agents.evidence.record import CODE_FIELDS, REASON_FIELDS, words_of
from edge_agent.agents.evidence.signs_table import SignTable, says_nothing
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError

CORE = ("blood_heat", "blood_dryness", "blood_stasis")
# Sections 5.3 and 16 written out by hand: claim, field, a value that supports it.
POINTS = [
    ("blood_heat", "view.colour", "bright_red"),
    ("blood_heat", "intake.new_lesions_two_weeks", "yes"),
    ("blood_heat", "view.shape", "guttate"),
    ("blood_heat", "view.primary_lesion", "papule"),
    ("blood_heat", "view.scale_amount", 3),
    ("blood_heat", "view.scale_amount", 4),
    ("blood_heat", "intake.tongue.body_colour", "red"),
    ("blood_heat", "intake.tongue.coating_colour", "yellow"),
    ("blood_heat", "intake.pulse", "string_like"),
    ("blood_heat", "intake.pulse", "slippery"),
    ("blood_heat", "intake.pulse", "rapid"),
    ("blood_heat", "intake.general.thirst", "yes"),
    ("blood_heat", "intake.general.irritable", "yes"),
    ("blood_heat", "intake.general.constipation", "yes"),
    ("blood_heat", "intake.general.dark_urine", "yes"),
    ("blood_dryness", "view.colour", "pale_red"),
    ("blood_dryness", "intake.new_lesions_two_weeks", "no"),
    ("blood_dryness", "intake.duration", "three_to_twelve_months"),
    ("blood_dryness", "intake.duration", "more_than_one_year"),
    ("blood_dryness", "view.scale_type", "fine_branny"),
    ("blood_dryness", "view.secondary_change", "fissure"),
    ("blood_dryness", "intake.tongue.body_colour", "pale_red"),
    ("blood_dryness", "intake.tongue.coating_colour", "none_or_peeled"),
    ("blood_dryness", "intake.tongue.coating_texture", "thin"),
    ("blood_dryness", "intake.pulse", "deep"),
    ("blood_dryness", "intake.pulse", "thready"),
    ("blood_dryness", "intake.general.dry_throat", "yes"),
    ("blood_stasis", "view.colour", "dark_red"),
    ("blood_stasis", "view.colour", "violaceous"),
    ("blood_stasis", "view.induration", 3),
    ("blood_stasis", "view.induration", 4),
    ("blood_stasis", "view.scale_type", "thick_adherent"),
    ("blood_stasis", "intake.duration", "more_than_one_year"),
    ("blood_stasis", "intake.duration", "more_than_five_years"),
    ("blood_stasis", "intake.tongue.body_colour", "purple"),
    ("blood_stasis", "intake.tongue.body_feature", "ecchymosis"),
    ("blood_stasis", "intake.tongue.sublingual_veins", "distended_tortuous"),
    ("blood_stasis", "intake.pulse", "rough"),
]


HEAD = "[a]\nkind = 'syndrome'\nstatus = ''\nsource = ''\n"
ROW = "{field = 'f', values = ['x'], source = ''}"


@pytest.fixture(scope="module")
def table() -> SignTable:
    return SignTable.load()


@pytest.mark.parametrize(("claim", "field", "value"), POINTS)
def test_the_core_syndromes_have_their_signs(table: SignTable, claim: str, field: str, value: str | int) -> None:
    """Sections 5.3 and 16: each sign supports its syndrome, bare or in a list, and does not speak against it."""
    assert table.supports(claim, field, value)
    assert table.supports(claim, field, [value])
    assert not table.against(claim, field, value)
    assert field in table.fields(claim)


def test_the_core_syndromes_have_no_other_signs(table: SignTable) -> None:
    """What section 16 gives no point for supports nothing; childhood is a long duration."""
    written = {
        (claim, row.field, value) for claim in CORE for row in table.claims[claim].supports for value in row.values
    }
    childhood = {(claim, "intake.duration", "since_childhood") for claim in ("blood_dryness", "blood_stasis")}
    five_years = {("blood_dryness", "intake.duration", "more_than_five_years")}
    assert written == {*POINTS} | childhood | five_years


@pytest.mark.parametrize(
    ("claim", "field", "value"),
    [
        ("blood_heat", "intake.new_lesions_two_weeks", "no"),
        ("blood_heat", "view.colour", "dark_red"),
        ("blood_dryness", "intake.new_lesions_two_weeks", "yes"),
        ("blood_dryness", "view.colour", "bright_red"),
        ("blood_stasis", "intake.duration", "one_to_four_weeks"),
        ("blood_stasis", "intake.duration", "less_than_one_week"),
        ("blood_stasis", "intake.tongue.sublingual_veins", "normal"),
        ("blood_stasis", "intake.tongue.body_colour", "red"),
    ],
)
def test_signs_speak_against_a_syndrome(table: SignTable, claim: str, field: str, value: str) -> None:
    """What is typical of another syndrome, or excluded by the course, speaks against one."""
    assert table.against(claim, field, value)
    assert not table.supports(claim, field, value)


def test_the_colour_of_dark_skin_speaks_for_no_claim(table: SignTable) -> None:
    """Section 16: a tone can never stand for a syndrome or a condition."""
    for claim in table.claims:
        assert not table.supports(claim, "view.colour", ["grey_brown"])
        assert not table.against(claim, "view.colour", ["grey_brown"])


def test_only_a_nothing_value_supports_missing_information(table: SignTable) -> None:
    """All kinds of nothing count, in any field; an examined normal sign and a grade of 0 do not."""
    for nothing in ("not_examined", "cannot_tell", "unknown", [], ["cannot_tell"], None, ""):
        assert table.supports("insufficient_information", "intake.pulse", nothing)
        assert not table.supports("blood_heat", "intake.pulse", nothing)
    for told in ("no", "none", 0, ["none"], ["deep", "cannot_tell"]):
        assert not says_nothing(told)
        assert not table.supports("insufficient_information", "view.induration", told)


def test_a_value_never_speaks_for_and_against_at_once(table: SignTable) -> None:
    """A list with one supporting value supports; the others in it do not speak against at the same time."""
    assert table.supports("blood_heat", "intake.pulse", ["rapid", "deep"])
    assert not table.against("blood_heat", "intake.pulse", ["rapid", "deep"])
    assert table.against("blood_heat", "intake.pulse", ["moderate", "deep"])


def test_what_is_not_in_the_table_says_nothing(table: SignTable) -> None:
    """An unknown claim, field, stance or type of value is False, never an error."""
    assert not table.supports("gout", "view.colour", "bright_red")
    assert table.fields("gout") == ()
    assert not table.supports("blood_heat", "view:1.colour", "bright_red")
    assert not table.speaks("blood_heat", "proves", field="view.colour", value="bright_red")
    for odd in ({"a": 1}, 3.0, b"bright_red", [["bright_red"]], True):
        assert not table.supports("blood_heat", "view.colour", odd)


def test_every_row_names_ids_of_the_vocabulary(table: SignTable) -> None:
    """A misspelt field or value would never match: every one stands on the record and in a closed list."""
    vocabulary = Vocabulary.load()
    for claim, body in table.claims.items():
        for row in (*body.supports, *body.against):
            assert row.field in (*REASON_FIELDS, *CODE_FIELDS), (claim, row.field)
            words = words_of(row.field)
            for value in row.values:
                known = value in range(5) if words is None else vocabulary.has(str(value), of=words)
                assert known, (claim, row.field, value)


def test_every_syndrome_and_condition_is_a_claim(table: SignTable) -> None:
    """What the vocabulary lets a model claim, the table can judge; ``cannot_tell`` claims nothing."""
    vocabulary = Vocabulary.load()
    for kind, name in (("syndrome", "syndrome"), ("condition", "biomedical_condition")):
        claims = {claim for claim, body in table.claims.items() if body.kind == kind}
        assert claims == set(vocabulary.lists[name].terms) - {"cannot_tell"}


def test_every_row_has_a_source_and_is_unreviewed(table: SignTable) -> None:
    """Nobody licensed has read the table: no row may look as if somebody had."""
    for body in table.claims.values():
        assert body.status == "unreviewed"
        assert body.source
        assert all("[" in row.source for row in (*body.supports, *body.against))


@pytest.mark.parametrize("name", ["secondary_syphilis", "cutaneous_t_cell_lymphoma_suspected", "melanoma_suspected"])
def test_no_sign_argues_a_dangerous_condition_away(table: SignTable, name: str) -> None:
    """Must-not-miss conditions are excluded by a test or a biopsy, never by a picture."""
    assert table.claims[name].against == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\nkind = 'syndrome'\n", "lacks"),
        ("[a]\nkind = 'x'\nstatus = ''\nsource = ''\nsupports = []\nagainst = []\n", "kind"),
        (HEAD + "supports = [ROW]\nagainst = [ROW]\n".replace("ROW", ROW), "for and against"),
        ("a = 1\n", "lacks"),
        ("[[[", "cannot read"),
    ],
)
def test_a_malformed_table_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    """Each fault of the file ends in one line that says what to mend."""
    file = tmp_path / "signs.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        SignTable.load(file)
