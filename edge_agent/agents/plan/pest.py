"""Count the five joint questions of the PEST; an unanswered one is unknown, never a no.

Does not ask the questions and holds no wording of them (the questionnaire's text is copyrighted).

Source: PEST, 3 or more: consider referral to rheumatology [S 23]; clinical-vocabulary section 7.4. Not clinically
reviewed.
"""

from __future__ import annotations

from typing import get_args

from edge_agent.contracts.intake import Intake
from edge_agent.contracts.intake_values import PestItem

REFER_FROM = 3


def pest_score(intake: Intake) -> int | None:
    """Return the number of yes answers, or None while the open answers could still cross the threshold.

    So ``score >= 3`` and ``score < 3`` are both certain whenever there is a score; it is the full score only where
    all five questions are answered, else the least it can be.
    """
    answers = [intake.pest.get(item) for item in get_args(PestItem)]
    yes, no = answers.count("yes"), answers.count("no")
    is_certain = yes >= REFER_FROM or len(answers) - no < REFER_FROM
    return yes if is_certain else None
