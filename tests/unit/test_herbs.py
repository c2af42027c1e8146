"""The herb check and the screen of free text: deterministic, three-valued, without a dose anywhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.free_text import HIDDEN, TextScreen
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.facts import facts_of
from edge_agent.agents.tcm.herb_rules import FILE, TABLES, HerbCase, HerbRule, load_herb_rules
from edge_agent.agents.tcm.herbs import Asked, HerbBook, HerbCheck
from edge_agent.contracts.terms import FOLDER, Vocabulary
from edge_agent.errors import ConfigError
from tests.simulators.cases import case, form

VOCABULARY = Vocabulary.load()
BOOK = HerbBook.load(VOCABULARY)
SCREEN = TextScreen(VOCABULARY)
CASES = [(rule, example) for rule in BOOK.rules for example in rule.cases]
HERBS = VOCABULARY.lists["herb"].terms
BANNED = VOCABULARY.lists["banned_substance"].terms
# A healthy man who answered everything that the check asks.
ANSWERED: Mapping[str, Any] = {
    "breastfeeding": "no",
    "comorbidity": ["none"],
    "current_treatment": [{"kind": "none"}],
    "new_drug_within_8_weeks": "no",
}
STASIS = Asked("taohong_siwu_tang", "blood_stasis")
HEAT = Asked("xijiao_dihuang_tang", "blood_heat")
DRYNESS = Asked("danggui_yinzi", "blood_dryness")


def facts(**changes: Any) -> dict[str, Fact]:
    """Return the facts of a form that answers everything, with some answers changed."""
    return facts_of(case(intake=form(**{**ANSWERED, **changes})))


def add(*herbs: str) -> list[dict[str, str]]:
    """Return the changes that add some herbs."""
    return [{"action": "add", "herb": herb} for herb in herbs]


@pytest.mark.parametrize(("rule", "example"), CASES, ids=[f"{r.id}-{e.outcome}" for r, e in CASES])
def test_each_shipped_example_has_its_outcome(rule: HerbRule, example: HerbCase) -> None:
    """Every rule's own positive, negative and unknown examples hold, and only an unknown one misses something."""
    assert rule.judge(example.inputs) == example.outcome
    assert bool(rule.missing(example.inputs)) == (example.outcome == "unknown")


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_each_rule_ships_all_three_kinds_of_example(rule: HerbRule) -> None:
    """At least one positive, one negative, one unknown case per rule, words in both languages, a status."""
    assert {example.outcome for example in rule.cases} == {"fires", "silent", "unknown"}
    assert rule.zh and rule.en and rule.source
    assert rule.status in {"reviewed", "unreviewed"}


@pytest.mark.parametrize("asked", [STASIS, HEAT, DRYNESS, Asked("bixie_shenshi_tang", "damp_heat")])
def test_a_fully_answered_healthy_man_gets_the_formula(asked: Asked) -> None:
    """Nothing blocks, warns or stays open; otherwise every other test here could pass on an over-strict check."""
    check = BOOK.check(asked, facts=facts())
    assert (check.is_shown, check.blocked_by, check.warned_by, check.unchecked) == (True, (), (), ())
    assert {one.verdict for one in check.herbs} == {"shown"}


@pytest.mark.parametrize(
    ("asked", "changes", "rule"),
    [
        (HEAT, {"age_years": 17}, "FB-01"),
        (HEAT, {"breastfeeding": "yes"}, "FB-01"),
        (HEAT, {"danger_signs": {"jaundice": "yes"}}, "FB-01"),
        (STASIS, {"sex": "female", "pregnancy": "yes"}, "FB-02"),
        (STASIS, {"sex": "female", "pregnancy": "possible"}, "FB-02"),
        (STASIS, {"sex": "female", "pregnancy": "unknown"}, "FB-02"),
        (STASIS, {"sex": "female"}, "FB-02"),
        (STASIS, {"sex": None, "pregnancy": "yes"}, "FB-02"),
        (Asked("huoxue_sanyu_tang", "blood_stasis"), {"sex": "female", "pregnancy": "yes"}, "FB-02"),
        (Asked("danggui_yinzi", "blood_heat"), {}, "FB-03"),
        (Asked("xiaofeng_san", "mixed_or_other"), {}, "FB-03"),
        (HEAT, {"comorbidity": ["liver_disease"]}, "FB-04"),
        (HEAT, {"comorbidity": ["kidney_disease"]}, "FB-04"),
        (HEAT, {"comorbidity": ["hepatitis_b_or_c"]}, "FB-04"),
        (STASIS, {"current_treatment": [{"kind": "anticoagulant"}]}, "FB-05"),
        (DRYNESS, {"current_treatment": [{"kind": "antiplatelet"}]}, "FB-05"),
        (DRYNESS, {"current_treatment": [{"kind": "methotrexate"}]}, "FB-06"),
        (DRYNESS, {"current_treatment": [{"kind": "acitretin"}]}, "FB-06"),
        (DRYNESS, {"new_drug_within_8_weeks": "yes", "new_drug_classes": ["tb_drug"]}, "FB-06"),
        (DRYNESS, {"comorbidity": ["raised_liver_tests"]}, "FB-06"),
        (HEAT, {"current_treatment": [{"kind": "ciclosporin"}]}, "FB-07"),
        (HEAT, {"current_treatment": [{"kind": "biologic"}]}, "FB-07"),
        (HEAT, {"current_treatment": [{"kind": "chemotherapy"}]}, "FB-07"),
        (HEAT, {"comorbidity": ["transplant"]}, "FB-07"),
        (Asked("liangxue_huoxue_tang", "blood_heat", changes=add("lilu")), {}, "FB-08"),
        (Asked("xijiao_dihuang_tang", "blood_heat", changes=add("xijiao")), {}, "FB-09"),
        (Asked("xijiao_dihuang_tang", "blood_heat", text_names_banned=True), {}, "FB-09"),
        (Asked("xijiao_dihuang_tang", "fire_toxin"), {}, "FB-10"),
        (Asked("xijiao_dihuang_tang", "blood_heat", secondary="fire_toxin"), {}, "FB-10"),
    ],
)
def test_what_the_table_of_section_5_4_forbids_is_blocked(asked: Asked, changes: dict[str, Any], rule: str) -> None:
    """Each row of the table, from the form's own words to a formula that is not shown."""
    check = BOOK.check(asked, facts=facts(**changes))
    assert rule in check.blocked_by
    assert not check.is_shown


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        (HEAT, {"sex": "female", "pregnancy": "yes"}),
        (STASIS, {"sex": "female", "pregnancy": "no"}),
        (STASIS, {"sex": "female", "pregnancy": "not_applicable"}),
        (HEAT, {"current_treatment": [{"kind": "anticoagulant"}]}),
        (HEAT, {"current_treatment": [{"kind": "methotrexate"}]}),
        (HEAT, {"comorbidity": ["hypertension"]}),
    ],
)
def test_what_the_table_does_not_forbid_is_shown(asked: Asked, changes: dict[str, Any]) -> None:
    """A block names herbs: a formula without them stays."""
    assert BOOK.check(asked, facts=facts(**changes)).is_shown


@pytest.mark.parametrize(
    ("asked", "changes", "warned"),
    [
        (DRYNESS, {"sex": "female", "pregnancy": "yes"}, {"danggui"}),
        (Asked("bixie_shenshi_tang", "damp_heat"), {"sex": "female"}, {"yiyiren", "huashi", "tongcao", "mudanpi"}),
        (
            Asked("yangxue_jiedu_tang", "blood_dryness"),
            {"current_treatment": [{"kind": "methotrexate"}]},
            {"tufuling"},
        ),
    ],
)
def test_a_warning_stands_beside_its_herbs(asked: Asked, changes: dict[str, Any], warned: set[str]) -> None:
    """Warned herbs are shown with the rule; the others stay plain."""
    check = BOOK.check(asked, facts=facts(**changes))
    assert check.is_shown and check.warned_by
    assert {one.herb for one in check.herbs if one.verdict == "warned"} == warned
    assert all(one.rules for one in check.herbs if one.verdict == "warned")


def test_an_unanswered_form_is_listed_as_not_checked() -> None:
    """Unknown inputs other than pregnancy never block and never pass in silence."""
    check = BOOK.check(STASIS, facts=facts_of(case(intake=form(breastfeeding=None))))
    assert check.is_shown
    assert check.unchecked == ("FB-01", "FB-04", "FB-05", "FB-07")
    assert {"breastfeeding", "treatment_anticoagulant", "comorbidity_liver_disease"} <= set(check.missing)
    assert {one.herb for one in check.herbs if one.verdict == "shown"} == set()


def test_a_formula_without_written_ingredients_says_so() -> None:
    """Shown with FB-11 when no herb rule can matter; nothing is claimed about its herbs."""
    check = BOOK.check(Asked("liangxue_dihuang_tang", "blood_heat"), facts=facts())
    assert (check.is_shown, check.is_filled, check.herbs) == (True, False, ())
    assert check.warned_by == ("FB-11",)
    assert check.unchecked == ("FB-08",)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [({"sex": "female"}, "FB-02"), ({"current_treatment": [{"kind": "antiplatelet"}]}, "FB-05")],
)
def test_a_formula_without_written_ingredients_is_blocked_by_any_herb_rule(changes: dict[str, Any], rule: str) -> None:
    """Nobody knows whether the forbidden herb is in it: it fails closed."""
    check = BOOK.check(Asked("duhuo_jisheng_tang", "wind_damp_impediment"), facts=facts(**changes))
    assert rule in check.blocked_by


def test_taking_a_herb_out_never_lifts_a_block() -> None:
    """A checkpoint cannot argue a formula past the check by removing what the check forbids."""
    without = [{"action": "remove", "herb": herb} for herb in ("taoren", "honghua")]
    asked = Asked("taohong_siwu_tang", "blood_stasis", changes=without)
    assert "FB-02" in BOOK.check(asked, facts=facts(sex="female", pregnancy="yes")).blocked_by


def test_an_added_herb_is_checked_like_a_base_herb() -> None:
    """Achyranthes is in no base formula, and is forbidden in pregnancy."""
    asked = Asked("xijiao_dihuang_tang", "blood_heat", changes=add("niuxi"))
    assert BOOK.check(asked, facts=facts()).is_shown
    assert BOOK.check(asked, facts=facts(sex="female", pregnancy="yes")).blocked_by == ("FB-02",)


@pytest.mark.parametrize("pair", BOOK.pairs, ids=str)
def test_each_incompatible_pair_of_known_herbs_blocks_and_is_named(pair: str) -> None:
    """The classical pairs, each in both orders, added to a formula that is fine without them."""
    members = sorted(BOOK.pairs[pair])
    if not set(members) <= set(HERBS):
        assert set(members) & set(BANNED)  # a banned substance withholds on its own
        return
    for both in (members, members[::-1]):
        check = BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=add(*both)), facts=facts())
        assert pair in check.pairs
        assert "FB-08" in check.blocked_by
        assert {one.herb for one in check.herbs if one.verdict == "blocked"} >= set(members)


@pytest.mark.parametrize(
    ("asked", "pair"),
    [
        (Asked("danggui_yinzi", "blood_dryness", changes=add("haizao")), "gancao_haizao"),
        (Asked("xiaofeng_san", "blood_heat", changes=add("lilu")), "lilu_kushen"),
        (Asked("taohong_siwu_tang", "blood_stasis", changes=add("lilu")), "lilu_shaoyao"),
        (Asked("huoxue_sanyu_tang", "blood_stasis", changes=add("mangxiao")), "mangxiao_sanleng"),
    ],
)
def test_a_pair_between_base_and_change_is_found(asked: Asked, pair: str) -> None:
    """Licorice with sargassum, veratrum with sophora or peony, sparganium with Glauber's salt."""
    assert pair in BOOK.check(asked, facts=facts()).pairs


def test_the_classical_lists_are_complete() -> None:
    """Every herb that the two mnemonic verses name stands in a pair; water buffalo horn in none."""
    verses = {
        "eighteen_incompatible": "甘草 甘遂 京大戟 海藻 芫花 川乌 草乌 半夏 瓜蒌 川贝母 浙贝母 白蔹 白及 藜芦 人参 南沙参 北沙参 丹参 玄参 苦参 细辛 赤芍 白芍",
        "nineteen_antagonisms": "硫黄 芒硝(朴硝、牙硝) 水银 砒霜 狼毒 铅粉 巴豆 牵牛子 丁香 郁金 三棱 川乌 草乌 犀角 人参 五灵脂 肉桂 赤石脂",
    }
    names = {term.id: term.zh for term in (*HERBS.values(), *BANNED.values())}
    for group, verse in verses.items():
        rows = [term for term in VOCABULARY.lists["incompatible_pair"].terms.values() if term.facts["group"] == group]
        assert set(verse.split()) <= {names[herb] for term in rows for herb in term.facts["herbs"]}
    assert not any("shuiniujiao" in both for both in BOOK.pairs.values())


def test_the_base_formulas_hold_no_pair_and_no_check_only_herb() -> None:
    """The table itself passes the check that checkpoints must pass."""
    for formula, members in BOOK.base.items():
        assert not [pair for pair, both in BOOK.pairs.items() if both <= set(members)], formula
        assert {BOOK.herbs[herb] for herb in members} <= {"formula"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action": "add", "herb": "fuzi"}, "not_allowed"),
        ({"action": "add", "herb": "moonlight"}, "unknown_herb"),
        ({"action": "remove", "herb": "gancao"}, "not_in_formula"),
        ({"action": "add", "herb": "chishao"}, "already_there"),
        ({"action": "double", "herb": "niuxi"}, "unknown_herb"),
        ("niuxi", "unknown_herb"),
    ],
)
def test_a_change_that_makes_no_sense_is_dropped_by_name(change: Any, reason: str) -> None:
    """Dropped, never taken over and never an error; the formula stands without it."""
    check = BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=[change]), facts=facts())
    assert (check.is_shown, check.changes) == (True, ())
    assert [why for _, why in check.dropped] == [reason]


def test_a_banned_substance_counts_whatever_the_change_is_called() -> None:
    """A garbled action does not hide the substance; only taking it out is no wish for it."""
    for action, expected in (("ADD", False), (None, False), ("remove", True)):
        row = {"action": action, "herb": "leigongteng"}
        assert BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=[row]), facts=facts()).is_shown is expected


def test_no_more_than_six_changes_are_taken_over() -> None:
    """Section 5.3: at most six; the seventh and a repeated one are named as dropped."""
    herbs = ["danshen", "jixueteng", "tiandong", "maidong", "zicao", "zicao", "fuling", "zexie"]
    check = BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=add(*herbs)), facts=facts())
    assert [change.herb for change in check.changes] == [
        "danshen",
        "jixueteng",
        "tiandong",
        "maidong",
        "zicao",
        "fuling",
    ]
    assert [why for _, why in check.dropped] == ["twice", "too_many"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["add", "remove", *HERBS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["action", "herb", "g"]), inner),
    max_leaves=12,
)


@given(JUNK)
def test_whatever_a_checkpoint_writes_is_checked_without_an_error(changes: Any) -> None:
    """Garbage is dropped; what is taken over is always known, allowed and bounded."""
    check = BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=changes), facts=facts())
    assert len(check.changes) <= 6
    assert all(change.herb in HERBS for change in check.changes)


@given(st.lists(st.sampled_from(sorted(HERBS)), max_size=5), st.sampled_from(sorted(HERBS)))
def test_adding_one_more_herb_never_lifts_a_block(herbs: list[str], more: str) -> None:
    """The check can only get stricter with every further herb."""
    person = facts(sex="female", pregnancy="yes", current_treatment=[{"kind": "methotrexate"}])

    def check(names: list[str]) -> HerbCheck:
        return BOOK.check(Asked("xijiao_dihuang_tang", "blood_heat", changes=add(*names)), facts=person)

    assert set(check(herbs).blocked_by) <= set(check([*herbs, more]).blocked_by)


# ---------------------------------------------------------------- the data


def test_no_banned_substance_is_a_herb() -> None:
    """Neither by id nor by name: rhinoceros horn and the rest cannot be proposed at all."""
    assert not set(HERBS) & set(BANNED)
    for herb in HERBS.values():
        found = SCREEN.withheld_terms(
            f"{herb.zh} {herb.en} {herb.facts['latin']} {' '.join(herb.facts.get('also', []))}"
        )
        assert not found, herb.id


def test_the_substances_of_section_5_4_are_banned() -> None:
    """The seven that the draft names."""
    assert {"犀角", "关木通", "朱砂", "雄黄", "轻粉", "铅粉", "雷公藤"} <= {term.zh for term in BANNED.values()}


def _numbers(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            # `since` is the vocabulary schema, `max` a list's length, `inputs` the answers of a test case.
            if key not in {"since", "max", "inputs"}:
                yield from _numbers(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


@pytest.mark.parametrize("path", [FOLDER / "tcm.toml", TABLES / FILE], ids=lambda path: path.name)
def test_no_data_file_of_the_block_has_a_place_for_a_dose(path: Path) -> None:
    """No number beside ids and words, and no dose text in the words; a planted one is found."""
    text = path.read_text(encoding="utf-8")
    assert list(_numbers(tomllib.loads(text))) == []
    assert [term for term in SCREEN.withheld_terms(text) if term.kind == "dose"] == []
    planted = tomllib.loads('[x]\nvalues = [{ id = "gancao", grams = 6 }]')
    assert list(_numbers(planted)) == [".x.values.grams"]


def test_every_row_names_a_known_id() -> None:
    """Formulas, principles, syndromes and pairs point into the lists; none is missing a row."""
    lists = VOCABULARY.lists
    assert set(lists["syndrome_profile"].terms) == set(lists["syndrome"].terms)
    assert set(lists["formula_base"].terms) == set(lists["formula"].terms) - {"cannot_tell"}
    for profile in lists["syndrome_profile"].terms.values():
        assert set(profile.facts["formulas"]) <= set(lists["formula"].terms)
        assert set(profile.facts["principles"]) <= set(lists["principle"].terms)
    for pair in lists["incompatible_pair"].terms.values():
        assert set(pair.facts["herbs"]) <= set(HERBS) | set(BANNED)
        assert len(set(pair.facts["herbs"])) == 2
        assert pair.facts["group"] in lists["pair_group"].terms


def test_fire_toxin_and_the_open_syndromes_have_no_formula() -> None:
    """Section 5.3: none is ever proposed for them."""
    for syndrome in ("fire_toxin", "mixed_or_other", "insufficient_information"):
        assert not BOOK.formulas[syndrome]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ('block_herbs = ["taoren"', 'block_herbs = ["xijiao", "taoren"'),
        ("block_all = true", "blok_all = true"),
        ("block_all = true", 'block_all = "yes"'),
        ('id = "FB-02"', 'id = "FB-01"'),
        ("or jaundice", "or jaundise"),
        ('\nwhen_unknown = "withhold"', '\nwhen_unknown = "pass"'),
        ("warn_all = true\n", ""),
    ],
)
def test_a_damaged_rule_file_is_refused(tmp_path: Path, damage: str, told: str) -> None:
    """A misspelt key, herb or input would weaken the check in silence."""
    text = (TABLES / FILE).read_text(encoding="utf-8")
    assert damage in text
    (tmp_path / FILE).write_text(text.replace(damage, told, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_herb_rules(herbs=frozenset(HERBS), folder=tmp_path)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- free text


@pytest.mark.parametrize(
    ("text", "substance"),
    [
        ("用犀角磨汁", "xijiao"),
        ("犀 角、生地", "xijiao"),
        ("犀角地黄汤中用犀角", "xijiao"),
        ("Rhinoceros horn, powdered", "xijiao"),
        ("關木通", "guanmutong"),
        ("Caulis Aristolochiae manshuriensis", "guanmutong"),
        ("朱·砂", "zhusha"),
        ("雄黃外敷", "xionghuang"),
        ("輕粉", "qingfen"),
        ("鉛粉", "qianfen"),
        ("雷公藤多苷片", "leigongteng"),
        ("tripterygium glycosides", "leigongteng"),
        ("Léi gōng téng", "leigongteng"),
        ("砒石", "pishuang"),
    ],
)
def test_a_banned_substance_is_found_under_its_usual_names(text: str, substance: str) -> None:
    """Simplified, traditional, Latin, English, pinyin, and with marks between the characters."""
    assert substance in {term.substance for term in SCREEN.withheld_terms(text)}
    assert SCREEN.show(text, is_prescriber=True).text is None


@pytest.mark.parametrize(
    "text", ["犀角地黄汤(水牛角代)加减", "减轻粉刺", "生地黄丹皮赤芍", "水牛角", "Aluminium", "白鲜皮"]
)
def test_a_harmless_word_is_not_taken_for_a_banned_one(text: str) -> None:
    """The formula's traditional name holds the horn's name; the text must not be lost for it."""
    assert SCREEN.withheld_terms(text) == []


@pytest.mark.parametrize(
    "dose",
    [
        "10g",
        "10 克",
        "１０克",
        "三钱",
        "6-9 g",
        "0.5 mg",
        "九至十二克",
        "250ml",
        "每次3片",
        "7剂",
        "两帖",
        "2 tablets",
        "10gm",
        "10 grammes",
        "two tablets",
        "1 tsp",
        "half a tablet",
        "拾克",
        "10公克",
        "用量:12",
    ],
)
def test_dose_text_is_hidden_from_all_but_a_prescriber(dose: str) -> None:
    """Arabic, full-width and Chinese numbers with old and new units."""
    text = f"方中甲,{dose},水煎"
    shown = SCREEN.show(text, is_prescriber=False)
    assert shown.is_dose_hidden
    assert shown.text == f"方中甲,{HIDDEN},水煎"
    assert SCREEN.show(text, is_prescriber=True).text == text


def test_a_bare_number_after_a_herb_is_a_dose() -> None:
    """Prescriptions often leave the unit out."""
    assert SCREEN.show("生地30 赤芍12g", is_prescriber=False).text == f"{HIDDEN} {HIDDEN}"


@pytest.mark.parametrize(
    "text",
    [
        "红斑3片",
        "数枚丘疹",
        "十分明显",
        "一两个月",
        "size 5 mm",
        "BSA 12 %",
        "病程3年",
        "grade 3 good",
        "40 left",
        "体温38.5",
        "两侧对称",
    ],
)
def test_a_description_is_not_taken_for_a_dose(text: str) -> None:
    """Counts, sizes, ages and grades of a description stay readable."""
    assert SCREEN.show(text, is_prescriber=False).text == text


@given(st.text(max_size=40))
def test_spans_lie_inside_the_text(text: str) -> None:
    """Whatever the characters (ligatures fold to several), every find is a piece of the original."""
    for term in SCREEN.withheld_terms(text + "ﬁ10㎎"):
        assert 0 <= term.start < term.end <= len(text) + 4
    assert not re.search(r"10㎎", SCREEN.show(text + " 10㎎", is_prescriber=False).text or "")
