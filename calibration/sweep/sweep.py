"""Run a sweep: one export, then per recipe a build and a measurement; what is finished is not done again.

Every stage runs in a process of its own on this computer. A recipe that fails is reported, and the others go on. Does not
train and does not choose a recipe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibration.build_inputs import check_inputs
from calibration.sweep import durable
from calibration.sweep.built import publish, withdraw
from calibration.sweep.child import Hear, run_worker
from calibration.sweep.display import Display
from calibration.sweep.forecast import Forecast
from calibration.sweep.lock import locked
from calibration.sweep.plan import RecipePlan, SweepPlan, SweepRequest, make_plan
from calibration.sweep.stages import ANSWERS, Kind, Stage, StageRecord, StageStore
from calibration.sweep.tasks import At, BuildTask, EvaluateTask, ExportTask, Say
from calibration.sweep.worker import BUNDLE
from edge_agent.contracts.dsse import load_private_key
from edge_agent.errors import CalibrationError, EdgeError, QualityGateError

BUNDLES = "bundles"
LOGS = "logs"
Task = ExportTask | BuildTask | EvaluateTask


@dataclass(frozen=True, slots=True)
class RecipeResult:
    """What became of one recipe.

    Attributes:
        name: the recipe's.
        is_twin: it is the uncompressed bundle that the others are measured against.
        is_asked: it was on the command line.
        failure: why there is no bundle; None where there is one.
        bundle: the published bundle.
        built: ``size_bytes``, ``census`` and ``gates`` of the build; empty where it failed.
        measured: ``fields``, ``gates``, ``fallen`` and ``case_ms``; empty where nothing was measured.
        report: the evaluation's page.
    """

    name: str
    is_twin: bool
    is_asked: bool
    failure: EdgeError | None = None
    bundle: Path | None = None
    built: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class SweepResult:
    """All recipes, the twin first."""

    recipes: tuple[RecipeResult, ...]
    is_measured: bool

    @property
    def exit_code(self) -> int:
        """Return 0, or the exit code of the first recipe that failed."""
        return next((one.failure.exit_code for one in self.recipes if one.failure is not None), 0)


def sweep(request: SweepRequest, *, display: Display, clock: Callable[[], float] = time.monotonic) -> SweepResult:
    """Build and measure every recipe; go on where an earlier run was cut off.

    Args:
        request: what to do.
        display: told of every step.
        clock: monotonic seconds.

    Raises:
        ConfigError: another sweep runs in the folder, the key cannot be used, or the recipes' names collide.
        CaseError: a labelled case is malformed.
        ExportError: the checkpoint or an adapter is not there.
        CalibrationError: the folder cannot be written.
    """
    if request.private_key is not None:
        load_private_key(request.private_key)
    try:
        with locked(request.out) as lock:
            store = StageStore(request.out)
            store.clean()
            durable.remove_leftovers(request.out / BUNDLES)
            bench = _Bench(request, make_plan(request), store, lock, display, clock)
            return bench.run()
    except OSError as exc:
        place = exc.filename or request.out
        raise CalibrationError(f"cannot work on {place}: {exc.strerror or exc}; mend it and start again") from exc
    finally:
        display.close()


class _Bench:
    """One run of a sweep."""

    def __init__(
        self,
        request: SweepRequest,
        plan: SweepPlan,
        store: StageStore,
        lock: int,
        display: Display,
        clock: Callable[[], float],
    ) -> None:
        self._request, self._plan, self._store = request, plan, store
        self._lock, self._display, self._clock = lock, display, clock
        self._found = {stage.key: store.find(stage) for stage in plan.stages}
        builds = self._waiting([one.build for one in plan.recipes])
        self._stages = [stage for stage in plan.stages if stage.kind is not Kind.EXPORT or builds]
        known = {kind: store.seconds_of(kind) for kind in Kind}
        self._forecast = Forecast(self._waiting(self._stages), known=known, clock=clock)
        self._export_failure: EdgeError | None = None
        self._failures: dict[str, EdgeError] = {}

    def run(self) -> SweepResult:
        """Run what is not finished and return everything."""
        self._store.drop_others(self._plan.export)
        self._display.start(len(self._stages), len(self._stages) - len(self._waiting(self._stages)))
        for step in (self._preflight, self._build, self._measure):
            for one in self._plan.recipes:
                self._try(one, step)
            if step == self._build and not self._waiting([one.build for one in self._plan.recipes]):
                # FP32 parts are four bytes per weight; they are made again when a recipe joins.
                self._store.drop(self._plan.export)
        rows = tuple(self._settle(one) for one in self._plan.recipes)
        return SweepResult(rows, is_measured=self._plan.twin is not None)

    def _try(self, plan: RecipePlan, step: Callable[[RecipePlan], None]) -> None:
        """Take one step with a recipe that has not failed yet."""
        if plan.name in self._failures or (self._failures and self._request.stops_at_failure):
            return
        try:
            step(plan)
        except EdgeError as exc:
            self._failures[plan.name] = exc
            self._display.fail(plan.name, str(exc))
            for stage in (plan.build, plan.evaluate):
                if stage is not None:
                    self._forecast.end(stage, is_timed=False)

    def _waiting(self, stages: Sequence[Stage]) -> list[Stage]:
        return [stage for stage in stages if self._found[stage.key] is None]

    def _preflight(self, plan: RecipePlan) -> None:
        """Refuse what cannot end well before the export; a finished build needs no memory any more."""
        if self._found[plan.build.key] is None:
            request = self._request
            check_inputs(
                request.base,
                adapters=request.adapters,
                recipe=plan.recipe,
                out=request.out,
                cases=request.calibration_cases,
            )

    def _measure(self, plan: RecipePlan) -> None:
        if plan.evaluate is None:
            return
        fallen = self._evaluate(plan, plan.evaluate).result["fallen"]
        if fallen:
            raise QualityGateError(fallen)

    def _settle(self, plan: RecipePlan) -> RecipeResult:
        """Publish a recipe's bundle if nothing fell, and return what became of it."""
        target = self._request.out / BUNDLES / plan.name
        built = self._found[plan.build.key]
        measured = None if plan.evaluate is None else self._found[plan.evaluate.key]
        failure = self._failures.get(plan.name)
        is_stopped = self._request.stops_at_failure and bool(self._failures)
        is_whole = failure is None and not is_stopped and built is not None
        try:
            if is_whole:
                publish(self._bundle_of(plan), target, key=self._request.private_key)
            else:
                withdraw(target)
        except EdgeError as exc:
            failure, is_whole = exc, False
        return RecipeResult(
            name=plan.name,
            is_twin=self._plan.twin is not None and plan.name == self._plan.twin.name,
            is_asked=plan.is_asked,
            failure=failure,
            bundle=target if is_whole else None,
            built={} if built is None else built.result,
            measured={} if measured is None else measured.result,
            report=None
            if plan.evaluate is None or measured is None
            else self._store.folder_of(plan.evaluate) / "report.html",
        )

    def _build(self, plan: RecipePlan) -> None:
        if self._found[plan.build.key] is not None:
            return
        request, exported = self._request, self._export()

        def task(target: Path) -> Task:
            return BuildTask(
                base=request.base.resolve(),
                adapters={name: folder.resolve() for name, folder in request.adapters.items()},
                recipe=plan.recipe.model_dump(mode="json", exclude_unset=True),
                exported=exported.resolve(),
                calibration_cases=None if request.calibration_cases is None else request.calibration_cases.resolve(),
                target=target,
            )

        self._run(plan.build, task)

    def _export(self) -> Path:
        """Return the folder of FP32 parts; a failed export is not tried again for every recipe."""
        if self._export_failure is not None:
            raise self._export_failure
        base = self._request.base.resolve()
        if self._found[self._plan.export.key] is None:
            try:
                self._run(self._plan.export, lambda target: ExportTask(base=base, target=target))
            except EdgeError as exc:
                self._export_failure = exc
                raise
        return self._store.folder_of(self._plan.export)

    def _evaluate(self, plan: RecipePlan, stage: Stage) -> StageRecord:
        found = self._found[stage.key]
        if found is not None:
            return found
        twin, request = self._plan.twin, self._request
        if twin is None or request.cases is None:
            raise RuntimeError("a measurement was planned without cases")
        cases = request.cases.resolve()
        against = twin_answers = None
        if plan.name != twin.name:
            if twin.evaluate is None or self._found[twin.evaluate.key] is None:
                raise CalibrationError(f"not measured: {twin.name}, which it is judged against, failed")
            against, twin_answers = self._bundle_of(twin).resolve(), self._answers_of(twin.evaluate)

        def task(target: Path) -> Task:
            return EvaluateTask(
                bundle=self._bundle_of(plan).resolve(),
                against=against,
                cases=cases,
                per_tone=request.per_tone,
                forced_per_tone=request.forced_per_tone,
                answers=self._answers_of(stage),
                twin_answers=twin_answers,
                target=target,
            )

        return self._run(stage, task)

    def _bundle_of(self, plan: RecipePlan) -> Path:
        return self._store.folder_of(plan.build) / BUNDLE

    def _answers_of(self, stage: Stage) -> Path:
        return (self._request.out / ANSWERS / stage.name).resolve()

    def _run(self, stage: Stage, task: Callable[[Path], Task]) -> StageRecord:
        """Run one stage in a worker and keep what it made."""
        self._forecast.begin()
        began = self._clock()
        target = self._store.begin(stage)
        log = self._request.out / LOGS / f"{stage.title.replace(' ', '-')}.log"
        try:
            result = run_worker(task(target.resolve()), hear=self._hear(stage), log=log, lock=self._lock)
            record = self._store.finish(stage, result=result, seconds=self._clock() - began)
        except EdgeError:
            self._store.abandon(stage)
            self._forecast.end(stage, is_timed=False)
            raise
        self._found[stage.key] = record
        self._store.drop_others(stage)
        self._forecast.end(stage, is_timed=True)
        self._display.finish(stage.title, f"done in {record.seconds:.0f} s")
        return record

    def _hear(self, stage: Stage) -> Hear:
        def hear(message: Say | At) -> None:
            if isinstance(message, Say):
                self._display.step(stage.title, message.line, self._forecast.remaining(stage))
                return
            self._forecast.at(message.step, message.done, message.total)
            place = (message.done, message.total)
            self._display.count(stage.title, message.step, place, self._forecast.remaining(stage))

        return hear
