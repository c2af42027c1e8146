"""Take a checkpoint that nobody has built before through every check, and stop at the first that fails.

The stages are a sweep's: finished ones are kept, so that the same command goes on after a kill, and after the fault is
mended. Decides nothing by itself: every step is a command of its own too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibration.acceptance.steps import Acceptance, State, Step, StepResult
from calibration.checkpoint.estimates import check_resources
from calibration.checkpoint.inspection import Checkpoint, InspectionRequest, Progress, inspect_checkpoint
from calibration.checkpoint.licences import KNOWN_BASES
from calibration.checkpoint.preflight import device_profiles
from calibration.checkpoint.workstation import detect_workstation
from calibration.recipe import Recipe, is_uncompressed
from calibration.sign import sign_bundle
from calibration.sweep.display import Display
from calibration.sweep.plan import SweepRequest
from calibration.sweep.report import write_sweep_report
from calibration.sweep.sweep import RecipeResult, SweepResult, sweep
from calibration.trust.verify import SIGNATURE, verify
from calibration.unsigned import read_unsigned
from device_profiles.cost import sized
from edge_agent.contracts.bundle import check_signer
from edge_agent.contracts.dsse import open_sealed, seal
from edge_agent.contracts.keys import TrustedKey
from edge_agent.errors import ConfigError, EdgeError, SignatureRejected

_NO_CASES = "no --cases: nothing was measured, no quality gate was judged; give labelled cases (docs/evaluation.md)"
_TRIAL = "application/vnd.derm-edge.trial"  # no device takes it for a manifest


@dataclass(frozen=True, slots=True)
class AcceptanceRequest:
    """What to accept.

    Attributes:
        sweep: checkpoint, adapters, cases, key and folder; its recipes are the uncompressed one and the wanted one.
        keys: whom ``verify`` trusts; not asked where nothing is signed.
    """

    sweep: SweepRequest
    keys: tuple[TrustedKey, ...]

    @property
    def reference(self) -> Recipe:
        """Return the uncompressed recipe."""
        return self.sweep.recipes[0]

    @property
    def recipe(self) -> Recipe:
        """Return the wanted recipe."""
        return self.sweep.recipes[-1]


def check_recipes(reference: Recipe, recipe: Recipe) -> list[Recipe]:
    """Return the recipes of an acceptance: the uncompressed one first, the wanted one unless it is the same.

    Raises:
        ConfigError: the reference compresses something.
    """
    if not is_uncompressed(reference):
        raise ConfigError(f"--reference {reference.name} compresses weights; give a recipe whose modes are all none")
    return [reference] if is_uncompressed(recipe) else [reference, recipe]


def accept(request: AcceptanceRequest, *, display: Display, on_progress: Progress | None = None) -> Acceptance:
    """Run every step until one fails; sign the bundle at the end, when everything was run and nothing failed.

    Args:
        request: what to accept.
        display: told of the stages.
        on_progress: told of the bytes that are hashed.

    Raises:
        ConfigError: another run works in the folder, the key cannot be used, or it is none of the trusted ones.
        CaseError: a labelled case is malformed.
        CalibrationError: the folder cannot be written.
    """
    run = _Run(request, signer=_signer_of(request))
    run.inspect(on_progress)
    if not run.has_failed:
        result = sweep(replace(request.sweep, private_key=None), display=display)
        write_sweep_report(result, request.sweep.out)
        run.take(result)
    return run.finished()


def _signer_of(request: AcceptanceRequest) -> TrustedKey | None:
    """Return who will have signed; a key that nobody trusts is found now, not after the work."""
    private_key = request.sweep.private_key
    if private_key is None:
        return None
    trial = seal(b"{}", payload_type=_TRIAL, private_key=private_key)
    try:
        return open_sealed(trial, payload_type=_TRIAL, keys=request.keys)[1]
    except SignatureRejected as exc:
        public = private_key.with_suffix(".pub.pem").name
        raise ConfigError(f"nobody trusts --key {private_key}; give --keys with the folder of {public}") from exc


class _Run:
    """The steps so far; ``signer`` is whose key the finished bundle will carry."""

    def __init__(self, request: AcceptanceRequest, *, signer: TrustedKey | None) -> None:
        self._request, self._signer = request, signer
        self._steps: list[StepResult] = []
        self._checkpoint: Checkpoint | None = None
        self._parity: tuple[Mapping[str, Any], ...] = ()
        self._links: dict[str, str] = {}

    @property
    def has_failed(self) -> bool:
        """Tell whether a step failed."""
        return any(one.state is State.FAILED for one in self._steps)

    def inspect(self, on_progress: Progress | None) -> None:
        """Look at everything that can be known before a weight is loaded."""
        wanted = self._request.sweep

        def look() -> tuple[str, ...]:
            inspection = InspectionRequest(
                folder=wanted.base,
                adapters={str(name): folder for name, folder in wanted.adapters.items()},
                recipes=wanted.recipes,
                profiles=device_profiles(),
                workstation=detect_workstation(wanted.out),
            )
            found = self._checkpoint = inspect_checkpoint(inspection, on_progress=on_progress)
            found.require()
            for estimate in found.estimates:
                check_resources(estimate, found.workstation)
            return _facts_of(found)

        self._step(Step.INSPECT, look)

    def take(self, result: SweepResult) -> None:
        """Read the middle steps from what the sweep made, then verify the bundle."""
        reference, wanted = result.recipes[0], result.recipes[-1]
        out = self._request.sweep.out
        failure = next((one.failure for one in result.recipes if one.failure is not None), None)
        self._parity = tuple(reference.built.get("parity", ()))
        self._links = {"every recipe": "report.html"}
        if wanted.report is not None:
            self._links["evaluation"] = str(wanted.report.relative_to(out))
        self._step(Step.PARITY, lambda: _built(reference, failure))
        self._step(Step.BUILD, lambda: _built(wanted, failure))
        if self._request.sweep.cases is None:
            self._add(StepResult(Step.EVALUATE, State.NOT_RUN, (_NO_CASES,)))
        else:
            self._step(Step.EVALUATE, lambda: _measured(wanted, failure))
        self._step(Step.VERIFY, lambda: self._verified(wanted.bundle, failure))

    def finished(self) -> Acceptance:
        """Return everything; steps behind a failed one are named as not run."""
        told = {one.step for one in self._steps}
        order = list(Step)
        rest = [StepResult(step, State.NOT_RUN) for step in order if step not in told]
        found = self._checkpoint
        return Acceptance(
            checkpoint=str(self._request.sweep.base),
            recipe=self._request.recipe.name,
            steps=tuple(sorted([*self._steps, *rest], key=lambda one: order.index(one.step))),
            licences=() if found is None else tuple(
                {"owner": one.owner, "name": one.name, "source": one.source} for one in found.licences.found
            ),
            known_base=None if found is None else _known(found),
            notes=() if found is None else found.notes,
            parity=self._parity,
            details={} if found is None else found.as_report(),
            links=self._links,
        )  # fmt: skip

    def _verified(self, bundle: Path | None, failure: EdgeError | None) -> tuple[str, ...]:
        if bundle is None:
            raise failure or RuntimeError("nothing failed, and there is no bundle")
        report = verify(bundle, keys=self._request.keys)
        outcomes = [one for one in report.outcomes if one.check != SIGNATURE]  # it comes last, when all else holds
        faults = [fault for one in outcomes for fault in one.findings.faults]
        if faults:
            more = f" (and {len(faults) - 1} more: derm-calibrate verify {bundle})" if len(faults) > 1 else ""
            raise type(faults[0])(f"{faults[0]}{more}")
        return (*(f"{one.check}: {one.findings.facts}" for one in outcomes), self._sign(bundle))

    def _sign(self, bundle: Path) -> str:
        """Sign what passed everything, and say so; a bundle that nobody measured stays unsigned."""
        wanted = self._request.sweep
        if self._signer is None or wanted.private_key is None:
            return "not signed: no device loads it; `derm-calibrate sign` comes next"
        if wanted.cases is None:
            return "not signed: nothing was measured"
        check_signer(read_unsigned(bundle), self._signer)
        sign_bundle(bundle, private_key=wanted.private_key)
        return f"signed by {self._signer.name}"

    def _step(self, step: Step, act: Callable[[], tuple[str, ...]]) -> None:
        """Take a step unless an earlier one failed."""
        if self.has_failed:
            return
        try:
            self._add(StepResult(step, State.PASSED, act()))
        except EdgeError as exc:
            self._add(StepResult(step, State.FAILED, (), exc))

    def _add(self, result: StepResult) -> None:
        if not self.has_failed:
            self._steps.append(result)


def _facts_of(found: Checkpoint) -> tuple[str, ...]:
    arch = found.architecture
    shape = f"{arch.num_hidden_layers} layers x {arch.hidden_size}, {sum(found.parameters.values()):,} parameters"
    lines = [
        f"{arch.class_name}: {shape}, {sized(found.weights_bytes)} of weights",
        f"content digest {found.content_digest}",
    ]
    for estimate in found.estimates:
        build = estimate.build
        lines.append(
            f"{estimate.recipe}: about {sized(build.memory_bytes)} of memory ({build.memory_stage}), "
            f"{sized(build.disk_bytes)} of disk, {build.seconds / 60:.0f} min; bundle {sized(estimate.size.total)}"
        )
        fitting = [one.profile for one in estimate.devices if one.shortfall is None]
        lines.append(f"{estimate.recipe} fits the profiles: {', '.join(fitting) or 'none'}")
    return tuple(lines)


def _known(found: Checkpoint) -> str | None:
    """Return the published checkpoint that these weights are, with its licence in words."""
    known = next((one for one in KNOWN_BASES if one.name == found.licences.known_base), None)
    return None if known is None else f"{known.name}, published under {known.licence} ({known.source})"


def _built(one: RecipeResult, failure: EdgeError | None) -> tuple[str, ...]:
    if not one.built:
        raise failure or RuntimeError(f"nothing failed, and {one.name} was not built")
    return (one.built["gates"], f"a bundle of {sized(one.built['size_bytes'])}")


def _measured(one: RecipeResult, failure: EdgeError | None) -> tuple[str, ...]:
    if failure is not None or not one.measured:
        raise failure or RuntimeError(f"nothing failed, and {one.name} was not measured")
    gates = one.measured["gates"]
    judged = f"{len(gates)} gates, all met" if gates else "uncompressed: nothing to compare it with"
    return (f"{len(one.measured['fields'])} fields measured; {judged}",)
