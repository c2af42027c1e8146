"""The real daemon over a real store and socket, with the stand-in for the engine: ``python -m ... CONFIG BEHAVIOUR``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_agent.bootstrap import open_store
from edge_agent.casework import CaseWork, OnProgress
from edge_agent.config import load_config
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField
from edge_agent.daemon import Daemon, Parts
from edge_agent.errors import UplinkError
from edge_agent.inference_child import ChildSettings, InferenceChild
from edge_agent.state_dir import StateLock, prepare_state_dir
from edge_agent.supervision.engine_guard import EngineGuard
from edge_agent.supervision.logs import FOLDER, build_log
from edge_agent.supervision.notify import Notifier
from edge_agent.supervision.parts import NoUplink
from edge_agent.supervision.restarts import RestartPolicy
from edge_agent.supervision.signals import Signals


class _AsTestCase:
    """Mark every report as a test case's: it needs no consent and leaves no record."""

    def __init__(self, guard: EngineGuard) -> None:
        self._guard = guard

    def run(
        self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None
    ) -> dict[str, Any]:
        return {**self._guard.run(case, on_progress=on_progress, on_field=on_field), "is_test_case": True}


def main(config_path: str, behaviour: str) -> int:
    """Run until SIGTERM."""
    config = load_config(Path(config_path))
    stop = threading.Event()
    prepare_state_dir(config.state_dir)
    log = build_log(config.state_dir / FOLDER)
    with (
        Signals(stop.set, lambda: None),
        StateLock(config.state_dir, wait_s=5.0),
        open_store(config) as store,
    ):
        settings = ChildSettings(
            arguments=[behaviour],
            module="tests.simulators.worker",
            job_timeout_s=config.inference.job_timeout_s or 60.0,
            backoff_first_s=0.01,
        )
        child = InferenceChild(settings, wait=stop.wait)
        policy = RestartPolicy(slow_s=3600.0)
        guard = EngineGuard(child, is_stopping=stop.is_set, log=log, policy=policy)
        work = CaseWork(
            store.cases,
            runner=_AsTestCase(guard),
            without_model=lambda case: {"case_id": case.case_id, "is_test_case": True, "is_rules_only": True},
            profile_class="generic",
            is_stopping=stop.is_set,
            on_failure=lambda _case_id, _error: None,
        )
        parts = Parts(
            cases=store.cases,
            outbox=store.outbox,
            child=child,
            work=work,
            uplink=NoUplink(UplinkError("there is no hub here")),
            stop=stop,
            log=log,
            guard=guard,
            notifier=Notifier.of(os.environ),
            policy=policy,
        )
        with suppress(KeyboardInterrupt):
            Daemon(parts, bundle_dir=config.bundle_dir, state_dir=config.state_dir, resume_after_s=0.2).run(
                config.state_dir
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
