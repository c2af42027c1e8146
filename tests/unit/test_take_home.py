"""What a worker says at the end in a language that the report does not speak."""

from __future__ import annotations

from typing import Any

from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import load_translations
from edge_agent.kiosk.take_home import take_home

VOCABULARY, FOUND = Vocabulary.load(), load_translations()


def _report(*objects: str) -> dict[str, Any]:
    items = [{"action": "advise", "object": name} for name in objects]
    return {"plan": {"items": [*items, {"action": "refer", "object": "dermatology"}]}}


def test_the_plans_advice_is_said_in_the_pages_language() -> None:
    """Only fixed texts, in the plan's order, each once."""
    said = take_home(
        _report("sn_return", "sn_skin_care", "sn_return"), FOUND, VOCABULARY, "es", date=None, contact=None
    )
    assert said[0].startswith("Vuelva o llame")
    assert said[1].startswith("Hidrate")
    assert len(said) == 2


def test_the_next_visit_has_its_day_and_whom_to_tell() -> None:
    """A blank stays where nobody set a contact."""
    said = take_home(_report("sn_followup"), FOUND, VOCABULARY, "es", date="20 dic 2026", contact=None)
    assert said == ("Próxima visita: 20 dic 2026. Si no puede venir: ____________.",)
    said = take_home(_report("sn_followup"), FOUND, VOCABULARY, "es", date="20 dic 2026", contact="Clinic, 1")
    assert said == ("Próxima visita: 20 dic 2026. Si no puede venir: Clinic, 1.",)


def test_a_report_that_speaks_the_pages_language_is_not_repeated() -> None:
    """Chinese and English stand in the plan itself."""
    for code in ("zh", "en"):
        assert take_home(_report("sn_return"), FOUND, VOCABULARY, code, date=None, contact=None) == ()
