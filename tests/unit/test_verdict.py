"""The verdict on a second device: what it rests on, how it changes, and that no mistake makes a device trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.devices.verdict import TRANSITIONS, Event, Key, Standing, Verdicts, step, why_not
from tests.simulators.second_device import key, noon


@pytest.fixture
def verdicts(tmp_path: Path) -> Verdicts:
    """A file that no soak test has written yet."""
    return Verdicts(tmp_path / "verdict.json", now=noon)


def earned(verdicts: Verdicts) -> Verdicts:
    """Let GPU earn its place."""
    verdicts.begin_test("GPU", key(device=""))
    verdicts.end_test(key(), reasons=(), figures={"ratio": 0.5})
    return verdicts


def test_a_device_without_a_verdict_may_not_run(verdicts: Verdicts) -> None:
    """Nothing is trusted by default, and the line says what to do."""
    assert why_not(verdicts.read(), "GPU", key()) == "it has not earned its place: run derm-edge device soak"


def test_a_soak_test_without_reasons_earns_the_place(verdicts: Verdicts) -> None:
    """The verdict, its figures and its time lie in the file; another process reads the same."""
    held = earned(verdicts).read()
    assert held is not None
    assert (held.standing, held.figures, held.decided) == (Standing.EARNED, {"ratio": 0.5}, noon())
    assert why_not(held, "GPU", key(device="")) == ""


@pytest.mark.parametrize("part", [name for name in Key.model_fields if name != "device"])
def test_another_value_of_any_part_ends_the_verdict(verdicts: Verdicts, part: str) -> None:
    """Each part alone; the line names it with both values."""
    held = earned(verdicts).read()
    now = key(**{part: "another"})
    reason = why_not(held, "GPU", now)
    assert f"{part} was {getattr(key(), part)} at the soak test and is another" in reason
    assert reason.count(" at the soak test") == 1


def test_the_devices_own_name_counts_once_it_is_known(verdicts: Verdicts) -> None:
    """Before it is loaded nobody knows it; afterwards another one ends the verdict."""
    held = earned(verdicts).read()
    assert held is not None
    other = key(device="Intel(R) Iris(R) Xe Graphics")
    assert why_not(held, "GPU", other) == ""
    assert "Iris" in held.key.changed_to(other, is_loaded=True)
    assert held.key.changed_to(key(), is_loaded=True) == ""


def test_a_verdict_on_another_device_is_none(verdicts: Verdicts) -> None:
    """What one device has earned is not another's."""
    assert "has not earned" in why_not(earned(verdicts).read(), "NPU", key())


def test_a_refused_device_may_not_run(verdicts: Verdicts) -> None:
    """The reason stands in the line."""
    verdicts.begin_test("GPU", key())
    verdicts.end_test(key(), reasons=["it is not faster"], figures={})
    assert why_not(verdicts.read(), "GPU", key()) == "refused: it is not faster; run derm-edge device soak"


def test_a_soak_test_that_ends_with_the_computer_leaves_no_place(verdicts: Verdicts) -> None:
    """A device that froze the computer while it was tested again does not keep what it had."""
    earned(verdicts).begin_test("GPU", key())
    assert why_not(Verdicts(verdicts._path).read(), "GPU", key()).startswith("testing: the soak test did not end")


@pytest.mark.parametrize("by", [Event.FAULT, Event.OPERATOR])
def test_a_revoked_device_stays_out_until_it_is_tested_again(verdicts: Verdicts, by: Event) -> None:
    """Every reading of it says no; a new soak test gives the place back and remembers how often it was lost."""
    assert earned(verdicts).revoke("it hung", by=by) is not None
    for _ in range(3):
        assert why_not(Verdicts(verdicts._path).read(), "GPU", key()).startswith("revoked: it hung")
    held = earned(verdicts).read()
    assert held is not None
    assert (held.standing, held.revocations, held.reasons) == (Standing.EARNED, 1, ())


def test_there_is_nothing_to_revoke_without_a_verdict(verdicts: Verdicts) -> None:
    """And nothing is written."""
    assert verdicts.revoke("it hung") is None
    assert verdicts.read() is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_version": 2}', b'{"standing": "earned"}'])
def test_a_verdict_that_cannot_be_read_is_none(verdicts: Verdicts, damage: bytes) -> None:
    """Half a file, another program's file: the CPU runs."""
    earned(verdicts)._path.write_bytes(damage)
    assert "has not earned" in why_not(verdicts.read(), "GPU", key())


def test_two_ends_in_a_row_keep_the_device_out(verdicts: Verdicts) -> None:
    """One power cut is forgiven, as is any number with finished work between; two in a row are not."""
    earned(verdicts)
    for _ in range(3):
        verdicts.begin_work()
        assert why_not(verdicts.read(), "GPU", key()) == ""
        verdicts.end_work()
    verdicts.begin_work()
    verdicts.begin_work()
    assert "ended 2 times in a row while it worked" in why_not(verdicts.read(), "GPU", key())


def test_every_standing_can_be_tested_again_and_taken_away() -> None:
    """The two edges that a person needs from everywhere; what is not in the table is a programmer's mistake."""
    for standing in (None, *Standing):
        assert step(standing, Event.BEGIN) is Standing.TESTING
    for standing in Standing:
        assert TRANSITIONS[standing, Event.OPERATOR] is Standing.REVOKED
    with pytest.raises(RuntimeError, match="cannot happen"):
        step(Standing.REVOKED, Event.PASSED)
