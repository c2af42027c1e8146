"""Bring a stored case to its report: run it, de-identify it, store report and result together.

Used by the supervisor (the runner is the inference child) and by the command line without a daemon (the runner
is the pipeline in its own process). Does not decide what a case needs; the pipeline does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from edge_agent.contracts.case import Case
from edge_agent.errors import ConfigError, ContractError, EdgeError, InferenceError, UpdateError
from edge_agent.privacy.deidentify import deidentify
from edge_agent.store.cases import CaseStore

OnProgress = Callable[[str, int, int], None]


class Runner(Protocol):
    """Turn a case into its report: the pipeline in this process, or the inference child."""

    def run(self, case: Case, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Run one case; see ``agents.pipeline``."""
        ...


class CaseWork:
    """Take stored cases to their end, one at a time.

    Args:
        store: where the cases lie.
        runner: who runs them.
        profile_class: the coarse device class that a result may name.
        is_stopping: says whether the process is ending; then an interrupted case is left for the next start.
    """

    def __init__(
        self, store: CaseStore, *, runner: Runner, profile_class: str, is_stopping: Callable[[], bool]
    ) -> None:
        self._store = store
        self._runner = runner
        self._profile_class = profile_class
        self._is_stopping = is_stopping

    def complete(self, case_id: str, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Run a stored case until it is reported; up to three times when the engine fails.

        Raises:
            InferenceError: the engine failed three times, or the process is stopping; the case is kept.
            UpdateError: the bundle was refused; the case waits for a good one.
            EdgeError: the case cannot be run as it is; it is put aside and kept.
        """
        while self._store.mark_running(case_id):
            try:
                return self._run_once(case_id, on_progress=on_progress)
            except (UpdateError, ConfigError):
                raise  # the bundle's fault, not the case's: it stays pending
            except InferenceError as exc:
                if isinstance(exc, ContractError):  # greedy decoding says the same again
                    self._store.fail(case_id, exc)
                    raise
                if self._is_stopping():
                    raise
            except EdgeError as exc:
                if not exc.retryable:
                    self._store.fail(case_id, exc)
                raise
        raise InferenceError(
            f"case {case_id} failed three times and was put aside; its pictures and form are kept, run derm-edge doctor"
        )

    def _run_once(self, case_id: str, *, on_progress: OnProgress | None) -> dict[str, Any]:
        case = self._store.load(case_id)
        report = self._runner.run(case, on_progress=on_progress)
        result = deidentify(
            report,
            intake=case.intake,
            consent=case.consent,
            record_id=self._store.record_id(case_id),
            year=case.created.year,
            profile_class=self._profile_class,
            language=self._store.status(case_id).language,
        )
        self._store.finish(case_id, report, result)
        return report
