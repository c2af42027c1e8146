"""Bring a stored case to its report: run it, de-identify it, store report and result together.

Used by the supervisor (the runner is the inference child) and by the command line without a daemon (the runner
is the pipeline in its own process). Does not decide what a case needs; the pipeline does.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Consent
from edge_agent.contracts.result import Result
from edge_agent.contracts.shown_field import OnField
from edge_agent.errors import (
    ConfigError,
    ContractError,
    EdgeError,
    InferenceError,
    StoreCorrupt,
    StoreError,
    UpdateError,
)
from edge_agent.inference_child import StartError
from edge_agent.privacy.deidentify import deidentify
from edge_agent.store.cases import ENGINE_FAILURE, CaseStore

AGAIN: Final = "again"  # told as a stage when the engine was lost and the same case begins anew
OnProgress = Callable[[str, int, int], None]
Report = dict[str, Any]


class Runner(Protocol):
    """Turn a case into its report: the pipeline in this process, or the inference child."""

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:
        """Run one case; see ``agents.pipeline``."""
        ...


class CaseWork:
    """Take stored cases to their end, one at a time.

    Args:
        store: where the cases lie.
        runner: who runs them.
        without_model: reports what the rules alone can say, when the runner cannot.
        profile_class: the coarse device class that a result may name.
        is_stopping: says whether the process is ending; then an interrupted case is left for the next start.
        on_failure: told of every attempt that the engine or the program failed, with the case's id.
        may_leave: whether policy lets the result of a case with this consent leave; the consent itself is asked anyway.
        is_help_withdrawn: whether the person took back the consent to the program's help while the case waited.
    """

    def __init__(
        self,
        store: CaseStore,
        *,
        runner: Runner,
        without_model: Callable[[Case], Report],
        profile_class: str,
        is_stopping: Callable[[], bool],
        on_failure: Callable[[str, InferenceError], None],
        may_leave: Callable[[Consent | None], bool] = lambda _consent: True,
        is_help_withdrawn: Callable[[str], bool] = lambda _case_id: False,
    ) -> None:
        self._store = store
        self._runner = runner
        self._without_model = without_model
        self._profile_class = profile_class
        self._is_stopping = is_stopping
        self._on_failure = on_failure
        self._may_leave = may_leave
        self._is_help_withdrawn = is_help_withdrawn

    def complete(
        self, case_id: str, *, on_progress: OnProgress | None = None, on_field: OnField | None = None
    ) -> Report:
        """Bring a stored case to its report: after three failed attempts without the model (``is_without_model``).

        Attempts before a crash or a power cut count too, so that a case which kills its engine cannot hold the others
        up for ever. A programmer's mistake counts like an engine's failure. What is neither the case's nor the
        engine's fault (a full or busy store, a refused bundle, an engine that cannot be started now, the end of the
        process) counts as no attempt. A repeated attempt is told as the stage ``AGAIN`` and tells its signs again.

        Raises:
            StartError: the engine could not be started; the case waits until it can.
            InferenceError: the engine failed while the process is stopping: the case is resumed at the next start;
                or the program failed also without the model: the case is put aside and kept.
            UpdateError: the bundle was refused; the case waits for a good one.
            StoreError: the store is full, busy or not writable; the case waits. Only a corrupt record is put aside.
            EdgeError: the case cannot be run as it is; it is put aside and kept.
        """
        run = partial(self._runner.run, on_progress=on_progress, on_field=on_field)
        while self._store.mark_running(case_id):
            try:
                return self._finish(case_id, run)
            except InferenceError as exc:
                if isinstance(exc, StartError) or self._is_stopping():
                    self._give_back(case_id)
                    raise
                self._on_failure(case_id, exc)
                if isinstance(exc, ContractError):
                    break  # greedy decoding says the same again
                if on_progress is not None:
                    on_progress(AGAIN, 0, 0)
            except EdgeError:
                self._give_back(case_id)
                raise
        return self._finish_without_model(case_id)

    def _finish_without_model(self, case_id: str) -> Report:
        try:
            return self._finish(case_id, self._without_model)
        except InferenceError as exc:  # the rules need no engine: the program itself failed, nothing is left to try
            self._store.fail(case_id, exc)
            raise

    def _finish(self, case_id: str, answer: Callable[[Case], Report]) -> Report:
        """Store the answer to a case, or put the case aside when no attempt can succeed."""
        try:
            return self._report(case_id, answer)
        except EdgeError as exc:
            if _is_the_cases_fault(exc):
                self._store.fail(case_id, exc)
            raise
        except Exception as exc:  # broad: counted as a failed attempt, else the case would be run again for ever
            raise _program_failure(exc) from exc

    def _give_back(self, case_id: str) -> None:
        with suppress(StoreError):  # the error that made us is the one to tell; the price is one attempt
            self._store.give_back(case_id)

    def _report(self, case_id: str, answer: Callable[[Case], Report]) -> Report:
        case = self._store.load_readable(case_id)
        if self._is_help_withdrawn(case_id):
            case = without_help(case)
        report = answer(case)
        result = self._result(case_id, case, report) if self._may_leave(case.consent) else None
        self._store.finish(case_id, report, result)
        return report

    def _result(self, case_id: str, case: Case, report: Report) -> Result | None:
        return deidentify(
            report,
            intake=case.intake,
            consent=case.consent,
            record_id=self._store.record_id(case_id),
            year=case.created.year,
            profile_class=self._profile_class,
            language=self._store.status(case_id).language,
            refusals=case.photography.refusals,
        )


def without_help(case: Case) -> Case:
    """Return a case as if the program's help had been refused: withdrawn consent counts from the next thing that is done."""
    consent = case.consent
    if consent is None:
        return case
    refused = consent.program_help.model_copy(update={"granted": False})
    return replace(case, consent=consent.model_copy(update={"program_help": refused}))


def _is_the_cases_fault(error: EdgeError) -> bool:
    """Say whether no later attempt at this case can end otherwise; else the case stays pending."""
    if isinstance(error, StoreError):
        return isinstance(error, StoreCorrupt)  # a busy or failing disk says nothing about the case
    return not error.retryable and not isinstance(error, (UpdateError, ConfigError, InferenceError))


def _program_failure(error: Exception) -> InferenceError:
    """Name a programmer's mistake by its class and place; its text may quote the case, so it is left out."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return InferenceError(
        f"the program failed on this case ({type(error).__name__}); report this log line to its makers",
        where=f"{Path(place.filename).name}:{place.lineno}",
    )


def is_without_model(report: Report) -> bool:
    """Say whether a report holds the rules' part only, because the engine failed on the case."""
    return any(row["reason"] == ENGINE_FAILURE for row in report.get("abstentions", []))
