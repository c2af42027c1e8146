"""From a stored case to its report, with a real store and real child processes: no case holds the others up."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.report.text import render_text
from edge_agent.casework import AGAIN, CaseWork, OnProgress, Report, is_without_model
from edge_agent.contracts.case import Case
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.shown_field import OnField
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError, InferenceError, SignatureRejected, StoreCorrupt, StoreError
from edge_agent.inference_child import ChildSettings, InferenceChild
from edge_agent.rules_only import rules_only_report
from edge_agent.store import database as database_module
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.store.states import CaseState
from edge_agent.store.vault import ImageVault
from tests.simulators.cases import case, consent, form, manifest

EMERGENCY = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}


class Device:
    """A store, a simulated worker process and the work between them; remembers failed attempts and pauses."""

    def __init__(self, database: Database, behaviour: str, *, is_stopping: bool = False) -> None:
        self.store, self.outbox = CaseStore(database), Outbox(database)
        self.failures: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        settings = ChildSettings(
            arguments=[behaviour], start_timeout_s=300.0, job_timeout_s=300.0, module="tests.simulators.worker"
        )
        self.child = InferenceChild(settings, wait=self._pause)
        self.work = CaseWork(
            self.store,
            runner=self.child,
            without_model=partial(rules_only_report, manifest=manifest()),
            profile_class="generic",
            is_stopping=lambda: is_stopping,
            on_failure=lambda case_id, error: self.failures.append((case_id, type(error).__name__)),
        )

    def _pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return False


class OwnProcess:
    """Run cases in this process, as the command line alone does; ``action`` comes first and may raise anything."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:  # noqa: ARG002
        """Do the action, then answer."""
        self._action()
        return {"case_id": case.case_id, "is_test_case": True}


def _work(
    store: CaseStore, action: Callable[[], None], *, failures: list[dict[str, Any]], without_model: Any = None
) -> CaseWork:
    return CaseWork(
        store,
        runner=OwnProcess(action),
        without_model=without_model or partial(rules_only_report, manifest=manifest()),
        profile_class="generic",
        is_stopping=lambda: False,
        on_failure=lambda _case_id, error: failures.append(error.diagnostics()),
    )


def _hold(database: Database, *, until: ExitStack) -> None:
    until.enter_context(database.transaction())


def _overflow() -> None:
    raise OverflowError("Zhang Wei is 300 years old")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


def test_a_case_that_kills_its_engine_is_reported_without_the_model(database: Database) -> None:
    """Three lost children: danger signs and triage are reported with the reason, and the next case is run."""
    device = Device(database, "crash-on=poison")
    poison = case(case_id="poison", intake=form(danger_signs=EMERGENCY), agreed=consent())
    device.store.add(poison, language="en")
    device.store.add(case(case_id="next"), language="en")
    try:
        reports = [device.work.complete(name) for name in device.store.pending()]
    finally:
        device.child.stop()
    assert device.failures == [("poison", "InferenceError")] * 3
    assert [is_without_model(report) for report in reports] == [True, False]
    assert [row["reason"] for row in reports[0]["abstentions"]] == ["engine_failure"]
    assert reports[0]["triage"]["final"] == "T1_emergency"
    assert "the program failed" in render_text(reports[0], Vocabulary.load(), "en")
    assert device.store.report("poison") == reports[0]
    assert device.store.pending() == []
    assert device.outbox.status().queued == 1  # the hub learns of the failure; the case without consent stays here


def test_who_follows_a_case_hears_that_it_begins_again(database: Database, tmp_path: Path) -> None:
    """The child crashes once: the stage AGAIN, then the stages of the attempt that reaches the report."""
    device, stages = Device(database, f"crash-once={tmp_path / 'crashed'}"), []
    device.store.add(case(), language="en")
    try:
        device.work.complete("case-1", on_progress=lambda stage, _done, _total: stages.append(stage))
    finally:
        device.child.stop()
    assert stages == ["recognition", AGAIN, "recognition"]


def test_attempts_before_a_power_cut_count(database: Database) -> None:
    """A case that took three whole processes with it is not given to a fourth one."""
    device = Device(database, "answer")
    device.store.add(case(), language="en")
    for _ in range(3):
        device.store.mark_running("case-1")
    assert is_without_model(device.work.complete("case-1"))
    assert device.child.pid is None
    assert device.store.status("case-1").state is CaseState.REPORTED


def test_an_answer_that_breaks_the_contract_is_not_asked_for_again(database: Database) -> None:
    """Greedy decoding says the same again: one attempt, then the rules' report."""
    device = Device(database, "break-contract")
    device.store.add(case(), language="en")
    try:
        assert is_without_model(device.work.complete("case-1"))
    finally:
        device.child.stop()
    assert device.failures == [("case-1", "ContractError")]


def test_a_case_interrupted_by_the_end_of_the_daemon_waits(database: Database) -> None:
    """A child lost while the process is stopping says nothing about the case: it is resumed at the next start."""
    device = Device(database, "crash-on=case-1", is_stopping=True)
    device.store.add(case(), language="en")
    with pytest.raises(InferenceError):
        device.work.complete("case-1")
    assert device.store.pending() == ["case-1"]
    assert device.store.report("case-1") is None
    assert device.store.status("case-1").attempts == 0  # three clean stops must not cost the case its model


def test_a_refused_bundle_is_not_the_cases_fault(database: Database) -> None:
    """The case stays pending until there is a good bundle; nothing is reported in the model's place."""
    device = Device(database, "refuse")
    device.store.add(case(), language="en")
    with pytest.raises(SignatureRejected):
        for _ in range(4):
            device.work.complete("case-1")
    assert device.store.pending() == ["case-1"]
    assert device.store.status("case-1").attempts == 0


def test_an_engine_that_cannot_start_is_not_the_cases_fault(database: Database, tmp_path: Path) -> None:
    """While memory is short the case waits, however often it is tried; afterwards the model answers it."""
    shortage = tmp_path / "shortage"
    shortage.touch()
    device = Device(database, f"crash-loading={shortage}")
    device.store.add(case(), language="en")
    try:
        for _ in range(4):
            with pytest.raises(InferenceError, match="while loading the bundle"):
                device.work.complete("case-1")
        assert device.store.pending() == ["case-1"]
        assert device.store.status("case-1").attempts == 0
        assert device.failures == []
        shortage.unlink()
        assert not is_without_model(device.work.complete("case-1"))
    finally:
        device.child.stop()


def test_a_busy_store_is_not_the_cases_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the store the case waits; afterwards the model answers it."""
    key = StoreKey(secrets.token_hex(32))
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_S", 0.05)
    with Database(tmp_path / "two.db", key) as ours, Database(tmp_path / "two.db", key) as other:
        store, held = CaseStore(ours), ExitStack()
        store.add(case(), language="en")
        with held, pytest.raises(StoreError, match="in use"):
            _work(store, lambda: _hold(other, until=held), failures=[]).complete("case-1")
        assert store.pending() == ["case-1"]
        assert not is_without_model(_work(store, lambda: None, failures=[]).complete("case-1"))


def test_a_corrupt_record_is_put_aside(database: Database) -> None:
    """A form that no program can read is the case's own trouble: it leaves the queue and is kept."""
    store = CaseStore(database)
    store.add(case(), language="en")
    with database.transaction() as connection:
        connection.execute("UPDATE cases SET intake = '{'")
    with pytest.raises(StoreCorrupt):
        _work(store, lambda: None, failures=[]).complete("case-1")
    assert store.status("case-1").state is CaseState.FAILED


def test_a_damaged_picture_does_not_cost_the_rest_of_the_case(database: Database) -> None:
    """The program reads what is left; the report says that a picture is missing, and the case is not put aside."""
    store, vault = CaseStore(database), ImageVault(database)
    store.add(case(marks=(1, 1)), language="en")
    damaged = store.views("case-1")[0].image_id
    assert damaged is not None
    vault.path_of(damaged).write_bytes(b"damaged")
    report = _work(store, _overflow, failures=[]).complete("case-1")  # by the rules: they say the notices too
    assert "picture_lost" in report["notices"]
    assert store.status("case-1").state is CaseState.REPORTED
    readable = store.load_readable("case-1")
    assert [view.index for view in readable.views] == [1]
    assert len(readable.photography.lost) == 1
    with pytest.raises(StoreCorrupt):
        store.load("case-1")


def test_a_programmers_mistake_counts_as_a_failed_attempt(database: Database) -> None:
    """Any other exception is told three times, by class and place without its text, then the rules answer."""
    store, failures = CaseStore(database), list[dict[str, Any]]()
    store.add(case(), language="en")
    assert is_without_model(_work(store, _overflow, failures=failures).complete("case-1"))
    assert len(failures) == 3
    assert all("OverflowError" in str(row["message"]) and "test_casework.py:" in row["where"] for row in failures)
    assert "Zhang" not in str(failures)
    assert store.pending() == []


def test_a_case_on_which_the_rules_fail_too_is_put_aside(database: Database) -> None:
    """When the program fails also without the model, the case leaves the queue instead of being run for ever."""
    store = CaseStore(database)
    store.add(case(), language="en")
    work = _work(store, _overflow, failures=[], without_model=lambda _case: _overflow())
    with pytest.raises(InferenceError, match="OverflowError"):
        work.complete("case-1")
    assert store.status("case-1").state is CaseState.FAILED
    assert store.pending() == []


def test_a_case_that_cannot_be_run_is_put_aside(database: Database) -> None:
    """A complaint about the case itself is raised once, and the case is kept with the reason, out of the queue."""
    device = Device(database, "complain")
    device.store.add(case(), language="en")
    try:
        with pytest.raises(CaseError, match="does not fit"):
            device.work.complete("case-1")
    finally:
        device.child.stop()
    status = device.store.status("case-1")
    assert status.state is CaseState.FAILED
    assert status.error is not None and status.error["error"] == "CaseError"
    assert device.store.pending() == []
    assert len(device.store.load("case-1").views) == 1


class Asked:
    """Remember the cases that it is asked to run, and answer as the rules alone do."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:  # noqa: ARG002
        """Remember the case."""
        self.cases.append(case)
        return rules_only_report(case, manifest=manifest())


def _governed(database: Database, asked: Asked, **rules: Any) -> CaseWork:
    return CaseWork(
        CaseStore(database),
        runner=asked,
        without_model=partial(rules_only_report, manifest=manifest()),
        profile_class="generic",
        is_stopping=lambda: False,
        on_failure=lambda _case_id, _error: None,
        **rules,
    )


def test_help_that_was_taken_back_while_the_case_waited_is_not_given(database: Database) -> None:
    """The case is run as if the program had been refused; the stored consent stays as it was given."""
    asked, store = Asked(), CaseStore(database)
    for name in ("kept", "withdrawn"):
        store.add(case(agreed=consent(), case_id=name), language="en")
        _governed(database, asked, is_help_withdrawn=lambda case_id: case_id == "withdrawn").complete(name)
    granted = {one.case_id: one.consent.program_help.granted for one in asked.cases if one.consent}
    assert granted == {"kept": True, "withdrawn": False}
    kept = store.load("withdrawn").consent
    assert kept is not None
    assert kept.program_help.granted


def test_a_policy_that_keeps_results_here_queues_none(database: Database) -> None:
    """The person consented, the authority did not: the report is stored and nothing waits for the hub."""
    asked, store = Asked(), CaseStore(database)
    queued = {}
    for name, may in (("kept", False), ("sent", True)):
        store.add(case(agreed=consent(), case_id=name), language="en")
        _governed(database, asked, may_leave=lambda _consent, may=may: may).complete(name)
        queued[name] = Outbox(database).status().queued
        assert store.status(name).state is CaseState.REPORTED
    assert queued == {"kept": 0, "sent": 1}


def test_refused_pictures_are_counted_in_the_result(database: Database) -> None:
    """What the check refused at the camera is in the record that leaves, by reason."""
    store = CaseStore(database)
    told = Photography(refusals={"glare": 3})
    store.add(replace(case(case_id="glared", agreed=consent()), photography=told), language="en")
    _work(store, _overflow, failures=[]).complete("glared")
    assert json.loads(database.rows("SELECT body FROM outbox")[0][0])["quality_refusals"] == {"glare": 3}
