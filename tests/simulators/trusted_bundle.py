"""A small bundle that passes every check of ``derm-calibrate verify``: real tiny IRs, canary, golden cases and papers.

Its weights mean nothing and no device can run it; tests plant one fault each and seal it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calibration.package import LICENCE_FILE_PREFIX, dump_json
from calibration.trust.sbom import BundleIdentity, make_sbom
from calibration.trust.soup import installed_version
from edge_agent.contracts.bundle import IR_ROLES
from edge_agent.contracts.manifest import AGENTS
from tests.simulators.bundles import BACKBONE_DIGEST, SignedFolder, signed_folder

STEMS = (*IR_ROLES, *(f"adapter.{name}" for name in AGENTS))
TOOLS = ("openvino", "nncf", "optimum-intel", "transformers", "torch", "peft")
VOCABULARY = 700
NOTICE = "Not for clinical use."
CARD = f"""# paper

## Intended use
Tests of the checks that a bundle must pass, and nothing else.

## Not for clinical use
{NOTICE} Its weights are twelve numbers.

## Training data
None: the weights were written down by hand.

## Figures per tone

| tone | family |
| --- | --- |
| 1 | 0.95 |
| 5 | 0.94 |

## Limits
It knows nothing, and no device can run it.

## Licence
Everything is Apache-2.0.
"""
PLAN = """
schema_version = 1
title = "planned changes"
lineage = "paper"
intended_use = "Tests of the checks that a bundle must pass."
implementation = "manual"
adaptation = "global"

[[modifications]]
id = "refit"
what = "Thresholds are fitted again on more cases."
why = "More cases give steadier thresholds."
changes = ["thresholds.*"]
gates = ["family", "dark"]
[[modifications.limits]]
path = "thresholds.danger_family"
lowest = 0.2
highest = 0.7
max_step = 0.15

[[modifications]]
id = "adapter"
what = "The adapter of Reason is trained again."
why = "More cases give better reasoning."
changes = ["files.adapter.reasoning.*", "canary.bounds.strict_max_abs"]
gates = ["family"]

[[gates]]
id = "family"
metric = "metrics.accuracy.family"
at_least = 0.9
[[gates]]
id = "dark"
metric = "metrics.accuracy_per_tone.5"
max_drop = 0.02

[protocol]
data_management = "Train, calibration and test share no case."
retraining = "By the recorded seed, on the same backbone."
performance_evaluation = "Every field by tone, against the bundle before."
update_procedure = "Build, verify, sign, replay on the device."

[impact]
benefits = ["Steadier thresholds for everybody."]
together = "Each update is judged as a whole against the one before."
[[impact.risks]]
harm = "A field gets worse on one skin tone."
mitigation = "One gate per tone, against the bundle before."

[[new_submission]]
path = "backbone.*"
why = "other weights below all agents"
[[new_submission]]
path = "agents.*"
why = "another function for the person"
"""


@dataclass(frozen=True)
class TrustedFolder:
    """A bundle whose files and manifest a test may change; ``seal`` lists and signs what is there then."""

    signed: SignedFolder

    @property
    def path(self) -> Path:
        """Return the bundle's folder."""
        return self.signed.path

    @property
    def document(self) -> dict[str, Any]:
        """Return the manifest, to be changed in place."""
        return self.signed.document

    def put(self, role: str, data: bytes | str, *, name: str | None = None) -> None:
        """Write a file under a role, new or in place of the one that has it, and list it; does not sign."""
        raw = data.encode() if isinstance(data, str) else data
        entries = self.document["files"]
        entry = next((one for one in entries if one["role"] == role), None)
        if entry is None:
            entry = {"path": name or role, "role": role}
            entries.append(entry)
        (self.path / entry["path"]).write_bytes(raw)
        entry |= {"size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}

    def data(self, role: str) -> bytes:
        """Return the bytes of the file with this role."""
        return (self.path / self.signed.entry(role)["path"]).read_bytes()

    def drop(self, role: str) -> None:
        """Remove the file with this role from the folder and the list."""
        entry = self.signed.entry(role)
        (self.path / entry["path"]).unlink()
        self.document["files"].remove(entry)

    def seal(self) -> None:
        """Sign the manifest as it is now."""
        self.signed.sign()

    def write_sbom(self, *, name: str | None = None, version: str | None = None) -> None:
        """Write the SBOM that the build would write for this manifest, or for another name or version."""
        identity = BundleIdentity(
            name or self.document["name"],
            version or self.document["version"],
            self.document["backbone"]["content_digest"],
            self.document["licences"],
        )
        self.put("sbom", make_sbom(identity, recipe=self.document["recipe"], epoch_s=None), name="sbom.cdx.json")

    def copy(self, folder: Path) -> TrustedFolder:
        """Return a copy below ``folder``, signed by the same key."""
        path = shutil.copytree(self.path, folder / "bundle")
        document = json.loads(json.dumps(self.document))
        return TrustedFolder(SignedFolder(path, document, self.signed.private_key, self.signed.keys))


def trusted_folder(folder: Path) -> TrustedFolder:
    """Write a complete, valid, signed bundle below ``folder``."""
    bundle = TrustedFolder(signed_folder(folder))
    document = bundle.document
    document["licences"] = dict.fromkeys(("base", "adapters", "calibration_data"), "Apache-2.0")
    document["metrics"] = {"accuracy": {"family": 0.95}, "accuracy_per_tone": {"1": 0.95, "5": 0.94}}
    document["recipe"] = {"name": "int4", "tools": {name: installed_version(name) for name in TOOLS}}
    for stem in STEMS:
        _write_ir(bundle, stem)
    document["census"] = [
        {"part": stem, "element_type": "f32", "tensors": 1, "elements": 12, "bytes": 48} for stem in STEMS
    ]
    bundle.put("tokenizer", '{"model": {}}')
    bundle.put("recipe", dump_json(document["recipe"]))
    bundle.put("model_card", CARD)
    bundle.put("pccp", PLAN, name="pccp.toml")
    bundle.put("licence.Apache-2.0", "Apache License, Version 2.0 …", name=f"{LICENCE_FILE_PREFIX}Apache-2.0.txt")
    bundle.put("canary", npz(canary_arrays()))
    bundle.put("golden", golden_zip([golden_case()], {"p0.png": png()}))
    bundle.write_sbom()
    bundle.seal()
    assert document["backbone"]["content_digest"] == BACKBONE_DIGEST
    return bundle


def canary_arrays() -> dict[str, Any]:
    """Return expected values of every adapter and of the bare backbone, three prompts each."""
    arrays: dict[str, Any] = {}
    for label in (*AGENTS, "bare"):
        for k in range(3):
            arrays[f"{label}.{k}.input_ids"] = np.arange(5, dtype=np.int64)
            arrays[f"{label}.{k}.logits"] = np.zeros((4, VOCABULARY), dtype=np.float32)
        arrays[f"{label}.0.frame"] = np.zeros((84, 112, 3), dtype=np.uint8)
    return arrays


def npz(arrays: dict[str, Any]) -> bytes:
    """Return an npz archive."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def png(**options: Any) -> bytes:
    """Return a small picture; ``options`` go to Pillow's writer."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 150, 120)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def golden_case() -> dict[str, Any]:
    """Return one golden case with decisions of all agents."""
    return {"case_id": "a", "pictures": ["p0.png"], "expected": {name: [{"one": {"x": "y"}}] for name in AGENTS}}


def golden_zip(cases: list[dict[str, Any]], pictures: dict[str, bytes]) -> bytes:
    """Return an archive of golden cases."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("cases.json", json.dumps({"schema_version": 1, "cases": cases}))
        for name, data in pictures.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _write_ir(bundle: TrustedFolder, stem: str) -> None:
    """Write an IR of one MatMul whose weight is twelve numbers in FP32."""
    import openvino as ov
    from openvino import opset13

    weight = opset13.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
    given = opset13.parameter([1, 4], dtype=np.float32)
    model = ov.Model([opset13.matmul(given, weight, transpose_a=False, transpose_b=False)], [given], stem)
    scratch = bundle.path.parent / "scratch.xml"
    ov.save_model(model, scratch, compress_to_fp16=False)
    bundle.put(f"{stem}.xml", scratch.read_bytes())
    bundle.put(f"{stem}.bin", scratch.with_suffix(".bin").read_bytes())
