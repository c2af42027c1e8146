"""No combination of facts opens the camera on a minor's intimate site (R4), and unknown facts never open anything."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.contracts import case as case_module
from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.intake_values import INTIMATE_SITES, BodySite, Sex, Shot
from edge_agent.contracts.policy import ADULT_YEARS, FacePhoto, IntimateAdult, Policy
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from edge_agent.policy.camera import FACE_SITES, CameraRule, PictureKind, camera_rule
from tests.simulators.records import MORNING

SITES = get_args(BodySite)
POLICIES = st.builds(
    Policy,
    age_of_consent_years=st.integers(0, 25),
    guardian_data_consent_below_years=st.integers(0, 25),
    intimate_photo_adult=st.sampled_from(get_args(IntimateAdult)),
    face_photo=st.sampled_from(get_args(FacePhoto)),
    tongue_photo=st.sampled_from(get_args(FacePhoto)),
)
FACTS = st.fixed_dictionaries(
    {
        "sex": st.sampled_from([*get_args(Sex), None, "anything"]),
        "is_clinician_signed_in": st.booleans(),
        "chaperone": st.sampled_from([None, "", " ", "declined", "Nurse A"]),
        "is_second_confirmed": st.booleans(),
        "asked_each_time": st.booleans(),
        "has_consent": st.booleans(),
        "is_stopped": st.booleans(),
        "shot": st.sampled_from([*get_args(Shot), None]),
        "has_mark": st.booleans(),
    }
)
YEARS = st.one_of(st.none(), st.integers(0, 120))
MONTHS = st.one_of(st.none(), st.integers(0, 23))
SITE = st.sampled_from([*SITES, None, "", "Genital", "no_such_site"])
# Everything that could help is in order; what then stops a picture is the site and the age alone.
IN_ORDER: dict[str, Any] = {
    "sex": "male",
    "is_clinician_signed_in": True,
    "chaperone": "declined",
    "is_second_confirmed": True,
    "asked_each_time": True,
    "has_consent": True,
    "is_stopped": False,
}


def ask(policy: Policy, facts: dict[str, Any], **told: Any) -> CameraRule:
    """Ask the rule."""
    return camera_rule(policy, **facts, **told)


@settings(max_examples=600, deadline=None)
@given(POLICIES, FACTS, st.sampled_from(sorted(INTIMATE_SITES)), st.one_of(st.none(), st.integers(0, 17)), MONTHS)
def test_no_facts_and_no_file_open_a_minors_intimate_site(
    policy: Policy, facts: dict[str, Any], site: str, years: int | None, months: int | None
) -> None:
    """R4: any values, any policy that can be written, also those that the floor refuses."""
    rule = ask(policy, facts, site=site, age_years=years, age_months=months)
    assert not rule.is_allowed
    assert rule.needs == ()
    assert rule.kind is PictureKind.INTIMATE


@settings(max_examples=600, deadline=None)
@given(POLICIES, FACTS, SITE, YEARS, MONTHS)
def test_an_open_camera_has_nothing_missing(
    policy: Policy, facts: dict[str, Any], site: str | None, years: int | None, months: int | None
) -> None:
    """Allowed means: known site, age, consent, not stopped, no open step; refused always says why."""
    rule = ask(policy, facts, site=site, age_years=years, age_months=months)
    assert rule.is_allowed == (rule.reason is None)
    assert not (rule.needs and rule.is_allowed)
    if rule.is_allowed:
        assert site in SITES
        assert years is not None
        assert facts["has_consent"]
        assert not facts["is_stopped"]
        assert rule.kind is not PictureKind.INTIMATE or (
            facts["is_clinician_signed_in"] and facts["is_second_confirmed"] and str(facts["chaperone"] or "").strip()
        )
        assert rule.kind is not PictureKind.IDENTIFYING or facts["asked_each_time"]


def test_with_everything_in_order_only_r4_stands_in_the_way_of_a_minor() -> None:
    """R4, every site at every age from 0 to 25: exactly the five sites and the unnamed one close below 18."""
    closed = {
        (site, age)
        for site, age in product(SITES, range(26))
        if not ask(Policy(), IN_ORDER, site=site, age_years=age, age_months=None).is_allowed
    }
    wanted = {"chest", "groin", "genital", "perianal", "buttock", "other"}
    assert closed == set(product(wanted, range(18)))


def test_a_country_with_a_higher_age_protects_longer() -> None:
    """R4: 21 where the country says so, 18 where it says less."""
    for consent_age, first_open in ((21, 21), (18, 18), (16, 18), (0, 18)):
        policy = Policy(age_of_consent_years=consent_age)
        ages = [
            age for age in range(30) if ask(policy, IN_ORDER, site="groin", age_years=age, age_months=None).is_allowed
        ]
        assert ages[0] == first_open


def test_an_age_in_months_is_a_childs_whatever_the_years_say() -> None:
    """R4: two answers that contradict each other count as the younger one."""
    assert not ask(Policy(), IN_ORDER, site="groin", age_years=40, age_months=6).is_allowed


@pytest.mark.parametrize("site", sorted(INTIMATE_SITES))
@pytest.mark.parametrize("age", [None, 0, 17])
def test_the_case_itself_is_the_last_line_of_defence(site: str, age: int | None) -> None:
    """R4: an import that asked nobody is refused before anything is stored."""
    view = View(0, np.zeros((4, 4, 3), np.uint8), shot="close_up", body_site=site)
    with pytest.raises(CaseError):
        Case("c", (view,), Intake(age_years=age, sex="male"), None, MORNING)


def test_the_two_lines_of_defence_name_one_age_and_the_same_sites() -> None:
    """R4: policy, case and vocabulary cannot drift apart."""
    flags = {term.id: term.facts["flags"] for term in Vocabulary.load().lists["body_site"].terms.values()}
    assert ADULT_YEARS == case_module.ADULT_YEARS == 18
    assert {site for site, found in flags.items() if "intimate" in found} == INTIMATE_SITES
    assert {site for site, found in flags.items() if "face" in found} == FACE_SITES
