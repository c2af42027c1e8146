"""A case between two processes of one device: nothing is lost, and half a message is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from edge_agent.case_wire import pack_case, unpack_case
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import DaemonError
from edge_agent.ipc import Message
from tests.simulators.cases import CREATED, case, consent

EARLIER = PreviousVisit(
    created=CREATED - timedelta(days=40),
    lineage="test",
    bsa_percent=9.0,
    pga=3,
    stage="progressive",
    syndrome="blood_heat",
)


@pytest.mark.parametrize("previous", [None, EARLIER])
def test_a_case_survives_the_way(previous: PreviousVisit | None) -> None:
    """Form, consent, time, earlier visit, how photography went and every pixel."""
    given = replace(case(marks=(1, 2), agreed=consent()), previous=previous, photography=Photography(is_stopped=True))
    came = unpack_case(pack_case(given, language="zh"))
    assert (came.case_id, came.intake, came.consent, came.created) == (
        given.case_id, given.intake, given.consent, given.created
    )  # fmt: skip
    assert (came.previous, came.photography) == (previous, given.photography)
    for one, other in zip(came.views, given.views, strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)


@pytest.mark.parametrize("lost", ["intake", "views", "previous", "created"])
def test_half_a_message_is_refused(lost: str) -> None:
    """A program of another version is named; nothing is guessed."""
    message = pack_case(case(), language="en")
    body = {name: value for name, value in message.body.items() if name != lost}
    with pytest.raises(DaemonError, match="same version"):
        unpack_case(Message(body=body, blobs=message.blobs))


def test_a_damaged_earlier_visit_is_refused() -> None:
    """It is checked like everything else that comes in."""
    message = pack_case(replace(case(), previous=EARLIER), language="en")
    body = {**message.body, "previous": {**message.body["previous"], "pga": 9}}
    with pytest.raises(DaemonError):
        unpack_case(Message(body=body, blobs=message.blobs))
