"""Where the skin is affected: a drawn body and an equal list; what the policy forbids closes the camera, in words.

Source: policy.md R4, R5, R6; clinical-vocabulary section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request, Response

from edge_agent.consultation import answers
from edge_agent.consultation.draft import MAX_SITES, Draft
from edge_agent.consultation.pictures import SiteChoice
from edge_agent.consultation.steps import Step
from edge_agent.contracts.intake_values import BodySite, Laterality
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import Screen, Turn, Worker, answered, show, turn_of
from edge_agent.kiosk.room import Room

router = Room()
PAIRED: Final[frozenset[BodySite]] = frozenset(
    {
        "ear", "eye_area", "axilla", "groin", "buttock", "upper_arm", "elbow", "forearm", "hand_back", "palm",
        "fingernail", "thigh", "knee", "lower_leg", "foot_top", "sole", "toenail",
    }
)  # fmt: skip
PARTS: Final[tuple[tuple[Text, tuple[BodySite, ...]], ...]] = (
    (_("Head and neck"), ("scalp", "face", "eye_area", "ear", "lips_mouth", "neck")),
    (_("Trunk"), ("chest", "abdomen", "back", "sacrum_lumbar", "axilla", "groin", "genital", "perianal", "buttock")),
    (_("Arms"), ("upper_arm", "elbow", "forearm", "hand_back", "palm", "fingernail")),
    (_("Legs"), ("thigh", "knee", "lower_leg", "foot_top", "sole", "toenail")),
    (_("Another place"), ("other",)),
)
SITES: Final[tuple[BodySite, ...]] = tuple(site for _name, sites in PARTS for site in sites)


def _values(turn: Turn) -> Mapping[str, Any]:
    course, draft = turn.room.course, turn.draft
    closed = {}
    for site in SITES:
        permit = course.camera(draft, SiteChoice(body_site=site))
        if not permit.is_possible:
            closed[site] = turn.term("camera_refusal", permit.reason or "stopped")
    chosen = {site.body_site: site.laterality for site in draft.sites}
    return {
        "parts_of_body": PARTS,
        "paired": PAIRED,
        "closed": closed,
        "is_all_closed": len(closed) == len(SITES),
        "chosen": chosen,
        "max_sites": MAX_SITES,
        "pictures": {
            site.body_site: sum(view.body_site == site.body_site for view in draft.views) for site in draft.sites
        },
    }


SITES_SCREEN = Screen(Step.SITES, "consultation/sites.html", _values)
SCREENS = (SITES_SCREEN,)


@router.post("/consultation/{case_id}/sites")
def sites(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Save the affected sites, each with its side."""
    turn = turn_of(request, case_id, person)
    chosen: list[SiteChoice] = []
    sides: dict[str, Laterality] = {"left": "left", "right": "right", "both": "both"}
    for site in SITES:
        told = str(form.get(f"site.{site}") or "")
        if not told:
            continue
        side: Laterality | None = sides.get(told) if site in PAIRED else "not_applicable"
        chosen.append(SiteChoice(body_site=site, laterality=side))
    if len(chosen) > MAX_SITES:
        return show(turn, SITES_SCREEN, problem=_("Choose at most six sites: the ones that matter most."))

    def answer(draft: Draft) -> Draft:
        return answers.with_sites(draft, chosen)

    return answered(turn, SITES_SCREEN, answer)
