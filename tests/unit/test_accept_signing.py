"""An acceptance signs last: only what was built, measured and verified, and only with a key that is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedx")
pytest.importorskip("matplotlib")

from calibration.acceptance.acceptance import AcceptanceRequest, _Run, _signer_of
from calibration.acceptance.steps import Acceptance, State, Step, StepResult
from calibration.package import UNSIGNED_NAME, manifest_bytes
from calibration.recipe import load_recipe
from calibration.sweep.plan import SweepRequest
from calibration.sweep.sweep import RecipeResult, SweepResult
from edge_agent.contracts.bundle import ENVELOPE_NAME, open_bundle, parse_manifest
from edge_agent.contracts.keys import TrustedKey, load_keys
from edge_agent.errors import ConfigError, QualityGateError
from tests.simulators.bundles import write_key
from tests.simulators.trusted_bundle import TrustedFolder, trusted_folder

BUILT: dict[str, Any] = {"gates": "canary: fine", "size_bytes": 1, "parity": []}
MEASURED: dict[str, Any] = {"fields": {}, "gates": [{}]}


@dataclass
class Bench:
    """A bundle as a sweep publishes it, unsigned, and an acceptance that looks at it."""

    bundle: TrustedFolder

    def request(self, *, has_cases: bool = True) -> AcceptanceRequest:
        """Return an acceptance with the key of the bundle's clinic."""
        wanted = SweepRequest(
            base=self.bundle.path,
            adapters={},
            recipes=[load_recipe("fp32"), load_recipe("int8")],
            out=self.bundle.path.parent,
            cases=self.bundle.path if has_cases else None,
            private_key=self.bundle.signed.private_key,
        )
        return AcceptanceRequest(wanted, keys=self.bundle.signed.keys)

    def finish(self, *, has_cases: bool = True, failure: QualityGateError | None = None) -> Acceptance:
        """Take what a sweep made, as ``accept`` does after the preflight."""
        request = self.request(has_cases=has_cases)
        run = _Run(request, signer=_signer_of(request))
        run._add(StepResult(Step.INSPECT, State.PASSED))
        measured = MEASURED if has_cases else {}
        place = None if failure is not None else self.bundle.path
        twin = RecipeResult("fp32", True, True, None, self.bundle.path, BUILT, measured)
        wanted = RecipeResult("int8", False, True, failure, place, BUILT, measured)
        run.take(SweepResult((twin, wanted), is_measured=has_cases))
        return run.finished()

    @property
    def names(self) -> set[str]:
        """Return which manifest lies there."""
        return {ENVELOPE_NAME, UNSIGNED_NAME} & {path.name for path in self.bundle.path.iterdir()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bundle that passes every check and that nobody has signed."""
    bundle = trusted_folder(tmp_path)
    (bundle.path / ENVELOPE_NAME).unlink()
    write_unsigned(bundle)
    return Bench(bundle)


def write_unsigned(bundle: TrustedFolder) -> None:
    """Write the manifest as a build leaves it."""
    payload = json.dumps(bundle.document).encode()
    (bundle.path / UNSIGNED_NAME).write_bytes(manifest_bytes(parse_manifest(payload)))


def test_what_passed_everything_is_signed(bench: Bench) -> None:
    """With the given key, so that a device opens it; the last fact says by whom."""
    found = bench.finish()
    told = {one.step: one for one in found.steps}
    assert told[Step.VERIFY].facts[-1] == "signed by clinic key"
    assert open_bundle(bench.bundle.path, keys=bench.bundle.signed.keys).signed_by == "clinic key"
    assert (found.headline, found.exit_code) == ("Accepted.", 0)


def test_a_missing_paper_leaves_the_bundle_unsigned(bench: Bench) -> None:
    """Everything was measured and met; the change plan is missing, and no device gets the bundle."""
    bench.bundle.drop("pccp")
    write_unsigned(bench.bundle)
    found = bench.finish()
    assert found.failed is not None and found.failed.step is Step.VERIFY
    assert bench.names == {UNSIGNED_NAME}


def test_a_fallen_gate_leaves_nothing_signed(bench: Bench) -> None:
    """The sweep has withdrawn the bundle; nothing else gets a signature."""
    found = bench.finish(failure=QualityGateError("flips of family, tone 5"))
    assert found.failed is not None and found.failed.step is Step.EVALUATE
    assert bench.names == {UNSIGNED_NAME}


def test_what_nobody_measured_is_neither_accepted_nor_signed(bench: Bench) -> None:
    """No labelled cases: the papers are in order, and that is not enough."""
    found = bench.finish(has_cases=False)
    assert found.exit_code == 83
    assert found.steps[-1].facts[-1] == "not signed: nothing was measured"
    assert bench.names == {UNSIGNED_NAME}


def test_a_key_that_nobody_trusts_is_found_before_the_work(bench: Bench, tmp_path: Path) -> None:
    """Hours later the signature would be worth nothing."""
    stranger: tuple[TrustedKey, ...] = load_keys(write_key(tmp_path / "other", "stranger").parent)
    request = AcceptanceRequest(bench.request().sweep, keys=stranger)
    with pytest.raises(ConfigError, match=r"nobody trusts --key .*clinic\.pub\.pem"):
        _signer_of(request)
