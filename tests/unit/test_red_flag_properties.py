"""What holds for the danger signs whatever the form says: more signs are never less urgent, unknown is never no."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.agents.rules.expressions import Fact, Node, names, parse
from edge_agent.agents.rules.facts import KINDS
from edge_agent.agents.rules.red_flags import PictureFacts, RuleBook, Verdict
from edge_agent.agents.rules.rule_file import TIERS, Rule

BOOK = RuleBook.load("red_flags.toml")
USED = sorted(
    name
    for name in {n for rule in BOOK.rules for n in (*names(rule.when), *names(rule.stronger_when or rule.when))}
    if KINDS[name] == "sign"
)
ANSWERS = st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in USED})
NUMBERS = {
    "age_years": (0, 90),
    "temp_c": (35, 40),
    "heart_rate": (40, 160),
    "bsa_percent": (0, 100),
    "spo2": (85, 100),
}
WORDS = st.fixed_dictionaries({
    "course": st.sampled_from([None, "worsening", "improving"]), "avpu": st.sampled_from([None, "A", "V"]),
})  # fmt: skip
FACTS = st.builds(
    lambda signs, numbers, words: {**signs, **numbers, **words},
    ANSWERS,
    st.fixed_dictionaries({n: st.one_of(st.none(), st.integers(*limits)) for n, limits in NUMBERS.items()}),
    WORDS,
)


@settings(deadline=None)  # a busy computer is not a wrong rule
@given(FACTS, st.integers(0, 4))
def test_pictures_never_silence_or_lower_a_flag(facts: dict[str, Fact], regions: int) -> None:
    """What the form's rules said stands, word for word, whatever the pictures show."""
    verdicts = BOOK.evaluate(facts)
    added = BOOK.add_pictures(verdicts, PictureFacts(regions))
    assert added[: len(verdicts)] == verdicts
    assert all(v.outcome == "fires" and not v.is_confirmed for v in added[len(verdicts) :])


def _has_not(node: Node) -> bool:
    return node.kind == "not" or any(_has_not(part) for part in node.parts)


def _urgency(verdict: Verdict) -> int:
    """0 for a rule that does not fire, else the more the more urgent."""
    return len(TIERS) - TIERS.index(verdict.tier or TIERS[-1]) if verdict.outcome == "fires" else 0


def _weakened(rules: tuple[Rule, ...], facts: dict[str, Fact]) -> set[tuple[str, str]]:
    """List (rule, sign) where one more yes makes a rule less urgent."""
    found = set()
    for rule in rules:
        book = RuleBook((rule,), 1)
        before = _urgency(book.evaluate(facts)[0])
        for sign in {*names(rule.when), *names(rule.stronger_when or rule.when)} & set(USED):
            if _urgency(book.evaluate({**facts, sign: True})[0]) < before:
                found.add((rule.id, sign))
    return found


@settings(deadline=None)  # a busy computer is not a wrong rule
@given(FACTS)
def test_a_further_yes_never_makes_a_rule_less_urgent(facts: dict[str, Fact]) -> None:
    """Only RF-13, which asks for a clear mouth, may fall silent; RF-02, 07 and 08 negate an id, not a sign."""
    assert _weakened(BOOK.rules, facts) <= {("RF-13", "mouth_eye_genital_sores")}


def test_a_negated_sign_is_found() -> None:
    """The check above can fail: it sees RF-13's own negation and one that is planted."""
    facts: dict[str, Fact] = {"age_years": 3, "blisters_or_peeling": True, "tenderness": True, "wheals": True}
    facts |= {"mouth_eye_genital_sores": False, "jaundice": False}
    planted = replace(BOOK.rules[18], when=parse("wheals and not jaundice", kinds=KINDS))
    found = _weakened((*BOOK.rules, planted), facts)
    assert found == {("RF-13", "mouth_eye_genital_sores"), (planted.id, "jaundice")}


CALM: dict[str, Fact] = {**dict.fromkeys(USED, False), "avpu": "A", "course": "persistent", "bsa_percent": 5.0}
FEW = st.dictionaries(st.sampled_from(USED), st.sampled_from([True, None]), max_size=4)


@settings(deadline=None, max_examples=40)
@given(FEW, st.sampled_from([3, 40, None]))
def test_a_further_yes_never_makes_the_case_less_urgent(few: dict[str, Fact], age: int | None) -> None:
    """Over all 28 rules and all their signs, without exception: where RF-13 falls silent RF-05 fires as urgently."""
    facts: dict[str, Fact] = {**CALM, **few, "age_years": age}
    before = max(map(_urgency, BOOK.evaluate(facts)))
    for sign in USED:
        assert max(map(_urgency, BOOK.evaluate({**facts, sign: True}))) >= before, sign


def test_the_only_sign_that_a_rule_negates_is_a_clear_mouth() -> None:
    """The exception above is the whole list."""
    negated = {r.id for r in BOOK.rules if _has_not(r.when) and "avpu" not in names(r.when)}
    assert negated == {"RF-13"}


@settings(deadline=None)  # a busy computer is not a wrong rule
@given(FACTS, st.data())
def test_an_unknown_never_counts_as_no(facts: dict[str, Fact], data: st.DataObject) -> None:
    """A rule that is silent or fires stays so whatever the unknown inputs turn out to be."""
    unknown = [name for name in USED if facts[name] is None]
    answers = data.draw(st.fixed_dictionaries({n: st.booleans() for n in unknown}))
    before, after = BOOK.evaluate(facts), BOOK.evaluate({**facts, **answers})
    for old, new in zip(before, after, strict=True):
        assert old.outcome in {"unknown", new.outcome}
