"""Every planted fault of a bundle fails its own check of ``derm-calibrate verify``, and no other."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cyclonedx")

from PIL.PngImagePlugin import PngInfo

from calibration.cli import main
from calibration.trust.outcome import Report, Status
from calibration.trust.verify import verify
from edge_agent.contracts.bundle import ENVELOPE_NAME
from edge_agent.errors import (
    CompressionError,
    ConfigError,
    Incompatible,
    LengthOrHashRejected,
    RejectedError,
    SignatureRejected,
    VersionRejected,
)
from tests.simulators.bundles import write_key
from tests.simulators.trusted_bundle import (
    CARD,
    NOTICE,
    PLAN,
    TrustedFolder,
    canary_arrays,
    golden_case,
    golden_zip,
    npz,
    png,
    trusted_folder,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> TrustedFolder:
    """Write the sound bundle once."""
    return trusted_folder(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def bundle(sound: TrustedFolder, tmp_path: Path) -> TrustedFolder:
    """Return a copy that a test may damage."""
    return sound.copy(tmp_path)


def report_of(bundle: TrustedFolder, *, previous: TrustedFolder | None = None) -> Report:
    """Verify a bundle with its own keys."""
    return verify(bundle.path, keys=bundle.signed.keys, previous=previous.path if previous else None)


def fails(report: Report, check: str, error: type[Exception], *words: str) -> None:
    """Check that exactly one check failed, with this class, and that every word stands in one line of it."""
    failed = {one.check: one.findings.faults for one in report.outcomes if one.findings.faults}
    assert set(failed) == {check}, [str(fault) for fault in report.faults]
    assert {type(fault) for fault in failed[check]} == {error}
    assert all("\n" not in str(fault) for fault in failed[check])
    told = " | ".join(map(str, failed[check]))
    assert all(word in told for word in words), told
    assert not report.is_trusted
    assert report.exit_code == error.exit_code  # type: ignore[attr-defined]


def test_the_sound_bundle_passes_every_check(bundle: TrustedFolder) -> None:
    """Without a planted fault nothing fails and nothing is left out: the other tests can fail."""
    report = report_of(bundle)
    assert [str(fault) for fault in report.faults] == []
    assert {one.status for one in report.outcomes} == {Status.PASSED}
    assert len(report.outcomes) == 11
    assert report.exit_code == 0


# --- signature, manifest, files ------------------------------------------------------------------------------------


def test_foreign_signature(bundle: TrustedFolder, tmp_path: Path) -> None:
    """A key that nobody configured signs nothing, and no model is loaded under it."""
    foreign = write_key(tmp_path / "foreign", "evil")
    TrustedFolder(type(bundle.signed)(bundle.path, bundle.document, foreign, bundle.signed.keys)).seal()
    report = report_of(bundle)
    fails(report, "signature", SignatureRejected, "no configured key")
    assert {one.check for one in report.outcomes if one.status is Status.SKIPPED} == {"census"}


def test_unsigned_bundle_is_checked_before_it_is_signed(bundle: TrustedFolder) -> None:
    """Whoever signs can have everything else checked first; unsigned, it is not trusted."""
    (bundle.path / ENVELOPE_NAME).rename(bundle.path / "envelope")
    payload = base64.b64decode(json.loads((bundle.path / "envelope").read_text())["payload"])
    (bundle.path / "manifest.json").write_bytes(payload)
    (bundle.path / "envelope").unlink()
    report = report_of(bundle)
    fails(report, "signature", SignatureRejected, "not signed")
    assert not [one for one in report.outcomes if one.status is Status.SKIPPED]


def test_envelope_that_holds_nothing(bundle: TrustedFolder) -> None:
    """Without a manifest every other check is left out, and left out is not passed."""
    (bundle.path / ENVELOPE_NAME).write_text("{}")
    report = report_of(bundle)
    fails(report, "signature", SignatureRejected, "not a DSSE envelope")
    assert {one.status for one in report.outcomes if one.check != "signature"} == {Status.SKIPPED}


def test_folder_that_is_no_bundle(tmp_path: Path) -> None:
    """A folder without a manifest is a wrong argument, not an untrusted bundle."""
    with pytest.raises(ConfigError, match="holds neither"):
        verify(tmp_path, keys=())


def test_other_schema_version(bundle: TrustedFolder) -> None:
    """A manifest that this program does not read fails the manifest's check."""
    bundle.document["schema_version"] = 2
    bundle.seal()
    fails(report_of(bundle), "manifest", VersionRejected, "manifest schema 2")


def test_adapter_of_another_backbone(bundle: TrustedFolder) -> None:
    """The manifest contradicts itself: the adapter's own digest names another backbone."""
    bundle.document["adapters"][0]["base_digest"] = "c" * 64
    bundle.seal()
    fails(report_of(bundle), "manifest", Incompatible, "another backbone")


def test_every_changed_file_is_named_and_none_is_loaded(bundle: TrustedFolder) -> None:
    """All differing files are listed, not the first alone; models are not loaded from them."""
    for name in ("language_model.bin", "adapter.reasoning.bin"):
        data = bytearray((bundle.path / name).read_bytes())
        data[0] ^= 1
        (bundle.path / name).write_bytes(data)
    report = report_of(bundle)
    fails(report, "files", LengthOrHashRejected, "language_model.bin differs", "adapter.reasoning.bin differs")
    assert {one.check for one in report.outcomes if one.status is Status.SKIPPED} == {"census"}


def test_file_that_nobody_signed(bundle: TrustedFolder) -> None:
    """Captured inputs left beside the bundle are found as a file that the manifest does not list."""
    (bundle.path / "captured.npz").write_bytes(npz({"inputs_embeds": np.zeros((1, 8, 16), dtype=np.float32)}))
    fails(report_of(bundle), "files", RejectedError, "'captured.npz'", "not in its manifest")


# --- contents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (npz({"inputs_embeds": np.zeros(4, dtype=np.float32)}), "archive"),
        (b"\x93NUMPY\x01\0", "NumPy array"),
        (png(), "picture"),
        (b"\x80\x04\x95\0", "pickle"),
        (b"anything", "no bundle has"),
    ],
)
def test_captured_data_that_somebody_listed(bundle: TrustedFolder, data: bytes, kind: str) -> None:
    """A signature does not make captured calibration data part of a bundle: the role is unknown."""
    bundle.put("captured_inputs", data)
    bundle.seal()
    fails(report_of(bundle), "contents", RejectedError, "captured_inputs", kind)


def test_data_behind_the_weights(bundle: TrustedFolder) -> None:
    """Bytes of a weights file that no constant of its IR uses are refused."""
    bundle.put("language_model.bin", bundle.data("language_model.bin") + bytes(4096))
    bundle.seal()
    fails(report_of(bundle), "contents", RejectedError, "language_model.bin", "4096 to its end")


def test_picture_in_the_place_of_a_text(bundle: TrustedFolder) -> None:
    """A licence's role does not make a picture a text: the contents say so, and so does its reader."""
    bundle.put("licence.Apache-2.0", png())
    bundle.seal()
    report = report_of(bundle)
    assert {one.check for one in report.outcomes if one.findings.faults} == {"contents", "licences"}
    assert "is not UTF-8 text" in str(report.faults[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a | {"inputs_embeds": np.zeros((300, 64), dtype=np.float32)}, "'inputs_embeds' (float32, 300 x 64)"),
        (lambda a: a | {"bare.3.logits": a["bare.0.logits"]}, "bare.3.logits"),
        (lambda a: a | {"bare.0.frame": np.zeros((600, 800, 3), dtype=np.uint8)}, "bare.0.frame"),
        (lambda a: a | {"bare.0.logits": np.full((4, 700), np.nan, dtype=np.float32)}, "bare.0.logits"),
        (lambda a: a | {"bare.0.logits": np.zeros((4, 699), dtype=np.float32)}, "bare.0.logits"),
        (lambda a: {k: v for k, v in a.items() if not k.startswith("reasoning")}, "nothing of reasoning"),
        (lambda a: {k: v for k, v in a.items() if k != "bare.1.logits"}, "half of bare.1"),
    ],
)
def test_canary_with_more_or_less_than_a_canary(
    bundle: TrustedFolder, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    """A canary holds its prompts and logits, finite and of the right width, and hides nothing else."""
    bundle.put("canary", npz(change(canary_arrays())))
    bundle.seal()
    fails(report_of(bundle), "canary", RejectedError, words)


def _noted() -> bytes:
    info = PngInfo()
    info.add_text("Comment", "IMG_2041, ward 3")
    return png(pnginfo=info)


@pytest.mark.parametrize(
    ("cases", "pictures", "words"),
    [
        ([golden_case()], {"p0.png": png(), "p9.png": png()}, "'p9.png', which no case names"),
        ([golden_case()], {"p0.png": _noted()}, "notes about its origin (tEXt)"),
        ([golden_case()], {"p0.png": png() + b"IMG_2041, ward 3"}, "notes about its origin (bytes that are no chunk)"),
        ([golden_case()], {"p0.png": b"\xff\xd8\xff jpeg"}, "no small PNG"),
        ([golden_case()] * 13, {"p0.png": png()}, "holds 13 cases"),
        ([golden_case() | {"expected": {}}], {"p0.png": png()}, "no decision of reasoning"),
    ],
)
def test_golden_cases_with_more_or_less_than_declared(
    bundle: TrustedFolder, cases: list[dict[str, Any]], pictures: dict[str, bytes], words: str
) -> None:
    """The golden archive holds the declared cases with every agent's decisions and their small drawn pictures only."""
    bundle.put("golden", golden_zip(cases, pictures))
    bundle.seal()
    fails(report_of(bundle), "golden", RejectedError, words)


def test_pixels_may_spell_a_chunks_name(bundle: TrustedFolder) -> None:
    """The letters tEXt inside compressed pixels are pixels: one picture in some thousands holds them by chance."""
    raw = (b"\0" + b"tEX" * 8) * 8  # 8 x 8 pixels of three bytes, a filter byte before each row
    stored = zlib.compress(raw, level=0)  # as it is, uncompressed
    assert b"tEXt" in stored
    plain = png()
    start = plain.index(b"IDAT") - 4
    end = plain.index(b"IEND") - 4
    chunk = b"IDAT" + stored
    data = plain[:start] + len(stored).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + plain[end:]
    bundle.put("golden", golden_zip([golden_case()], {"p0.png": data}))
    bundle.seal()
    assert report_of(bundle).is_trusted


def test_census_that_tells_another_precision(bundle: TrustedFolder) -> None:
    """A bundle that says INT4 and holds FP32 is found by counting."""
    row = next(one for one in bundle.document["census"] if one["part"] == "language_model")
    row |= {"element_type": "i4", "bytes": 6}
    bundle.seal()
    fails(report_of(bundle), "census", CompressionError, "6 bytes of i4", "the IR holds nothing")


# --- SBOM ----------------------------------------------------------------------------------------------------------


def _sbom(change: Callable[[dict[str, Any]], object]) -> Callable[[TrustedFolder], None]:
    def plant(bundle: TrustedFolder) -> None:
        document = json.loads(bundle.data("sbom"))
        change(document)
        bundle.put("sbom", json.dumps(document))

    return plant


def _package(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in document["components"] if row["name"] == name)
    return found


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda b: b.drop("sbom"), "no file with the role sbom"),
        (lambda b: b.put("sbom", '{"bomFormat": "CycloneDX"}'), "not valid CycloneDX 1.6"),
        (_sbom(lambda d: d.update(backdoor=1)), "not valid CycloneDX 1.6"),
        (_sbom(lambda d: _package(d, "nncf").update(version="9.9.9")), "the SBOM names nncf 9.9.9, recipe.json"),
        (_sbom(lambda d: d["components"].remove(_package(d, "peft"))), "does not name peft"),
        (_sbom(lambda d: _package(d, "numpy").pop("licenses")), "numpy has no licenses"),
        (_sbom(lambda d: _package(d, "base")["licenses"][0]["license"].update(id="MIT")), "gives base the licence MIT"),
        (_sbom(lambda d: _package(d, "base").pop("properties")), "another backbone"),
        (lambda b: b.write_sbom(version="0.9.0"), "the SBOM is about paper 0.9.0"),
    ],
)
def test_sbom_that_is_not_this_bundles(
    bundle: TrustedFolder, plant: Callable[[TrustedFolder], None], words: str
) -> None:
    """An SBOM must be there, fit its schema, and name this bundle, its licences and the recipe's very versions."""
    plant(bundle)
    bundle.seal()
    fails(report_of(bundle), "sbom", RejectedError, words)


def test_recipe_file_that_differs_from_the_manifest(bundle: TrustedFolder) -> None:
    """What people read as recipe.json must be what was signed as the recipe."""
    bundle.put("recipe", json.dumps(bundle.document["recipe"] | {"name": "int8"}))
    bundle.seal()
    fails(report_of(bundle), "sbom", RejectedError, "recipe.json and the manifest's recipe differ")


# --- licences and model card ---------------------------------------------------------------------------------------


def _licence(bundle: TrustedFolder, part: str, expression: str | None) -> None:
    """Give a part another licence, in the SBOM and the model card too, so that only the licence itself is wrong."""
    if expression is None:
        del bundle.document["licences"][part]
    else:
        bundle.document["licences"][part] = expression
    bundle.put("model_card", CARD + f"\nAnd {expression}.\n")
    bundle.write_sbom()
    bundle.seal()


@pytest.mark.parametrize(
    ("part", "expression", "words"),
    [
        ("calibration_data", None, "no licence for calibration_data"),
        ("base", "Apache", "'Apache' is no SPDX id"),
        ("base", "MIT AND", "is no SPDX expression"),
        ("base", "LicenseRef-qwen-research", "LicenseRef-qwen-research has no text"),
        ("adapters", "Apache-2.0 AND LicenseRef-Hospital", "LicenseRef-Hospital has no text"),
    ],
)
def test_licence_that_is_missing_or_unreadable(
    bundle: TrustedFolder, part: str, expression: str | None, words: str
) -> None:
    """Base, adapters and calibration data each need an SPDX licence, or a reference with its text."""
    _licence(bundle, part, expression)
    fails(report_of(bundle), "licences", RejectedError, words)


def test_licence_text_of_nothing(bundle: TrustedFolder) -> None:
    """An empty text, and a text that belongs to no part, are both refused."""
    bundle.put("licence.Apache-2.0", " \n")
    bundle.put("licence.MIT", "MIT License", name="LICENCE.MIT.txt")
    bundle.seal()
    fails(report_of(bundle), "licences", RejectedError, "is empty", "MIT belongs to no part")


def _for_clinical_use(bundle: TrustedFolder) -> None:
    bundle.document["clinical_use"] = True
    head, _, tail = bundle.data("model_card").decode().partition("## Not for clinical use")
    bundle.put("model_card", head + tail[tail.index("## Training data") :])


@pytest.mark.parametrize(
    ("expression", "text", "words"),
    [
        ("LicenseRef-qwen-research", "Qwen RESEARCH LICENSE AGREEMENT", "which forbids it"),
        ("LicenseRef-qwen-research", "Clinical-Use: allowed\nSays the bundle's maker.", "which forbids it"),
        ("CC-BY-NC-4.0", None, "which forbids it"),
        ("Apache-2.0 AND CC-BY-NC-4.0", None, "which forbids it"),
        ("LicenseRef-Hospital", "Ask the hospital.", "nobody has said"),
        ("LicenseRef-Hospital", "Clinical-Use: forbidden\nTrials only.", "which forbids it"),
    ],
)
def test_clinical_use_against_the_licence(bundle: TrustedFolder, expression: str, text: str | None, words: str) -> None:
    """A research licence, or one that nobody has looked at, forbids clinical_use = true."""
    _licence(bundle, "base", expression)
    if text is not None:
        bundle.put(f"licence.{expression}", text, name=f"LICENCE.{expression}.txt")
    _for_clinical_use(bundle)
    bundle.seal()
    fails(report_of(bundle), "licences", RejectedError, "clinical_use = true", words)


@pytest.mark.parametrize("text", ["Clinical-Use: allowed\nSigned by the hospital."])
def test_clinical_use_with_the_licence(bundle: TrustedFolder, text: str) -> None:
    """The same bundle passes where the licence allows it: the refusals above are not of clinical use as such."""
    _licence(bundle, "base", "LicenseRef-Hospital OR CC-BY-NC-4.0")
    bundle.put("licence.LicenseRef-Hospital", text, name="LICENCE.LicenseRef-Hospital.txt")
    _for_clinical_use(bundle)
    bundle.seal()
    assert report_of(bundle).is_trusted


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("## Intended use", "## Use", "no section `Intended use`"),
        ("## Not for clinical use", "## Use at home", "no section `Not for clinical use`"),
        (NOTICE, "Be careful.", "lacks the manifest's notice"),
        ("## Training data", "## Data", "no section `Training data`"),
        ("## Figures per tone", "## Figures", "no section `Figures per tone`"),
        ("| 5 | 0.94 |\n", "", "figures of two or more tones"),
        ("## Limits", "## Beyond", "no section `Limits`"),
        ("It knows nothing, and no device can run it.", "TODO: write this before the release", "not written yet"),
        ("Everything is Apache-2.0.", "See the project's website.", "does not name Apache-2.0"),
    ],
)
def test_model_card_that_is_not_complete(bundle: TrustedFolder, old: str, new: str, words: str) -> None:
    """Every required section stands in the card with what belongs into it."""
    assert old in CARD
    bundle.put("model_card", CARD.replace(old, new))
    bundle.seal()
    fails(report_of(bundle), "model card", RejectedError, words)


def test_card_that_contradicts_the_manifest(bundle: TrustedFolder) -> None:
    """A bundle for clinical use must not carry a card that says it is none."""
    bundle.document["clinical_use"] = True
    bundle.seal()
    fails(report_of(bundle), "model card", RejectedError, "clinical_use = true")


# --- change plan ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('lineage = "paper"', 'lineage = "glass"', "for lineage glass"),
        ('"thresholds.*"]', '"thresholds.*", "*"]', "changes.1"),
        ('"thresholds.*"]', '"vocab*", "version*", "name*"]', "covers name"),
        ('"thresholds.*"]', '"clinical_*"]', "covers clinical_use"),
        ('"thresholds.*"]', '"files.*"]', "covers files.pccp"),
        ('"thresholds.*"]', '"treshold.*"]', "names no part of a manifest"),
        ('gates = ["family", "dark"]', 'gates = ["dark"]\nadapts = 1', "adapts"),
        ('gates = ["family", "dark"]', 'gates = ["family", "dark", "pale"]', "gate pale is named but not declared"),
        ("at_least = 0.9\n", "", "no bound"),
        ("at_least = 0.9\n", "at_least = 0.99\n", "asks for at least 0.99"),
        ('"metrics.accuracy.family"', '"metrics.accuracy.stage"', "no figure metrics.accuracy.stage"),
        ("[impact]", "[impact]\nharmless = true", "harmless"),
        ("schema_version = 1", "schema_version =", "not TOML"),
    ],
)
def test_plan_that_is_malformed_or_too_wide(bundle: TrustedFolder, old: str, new: str, words: str) -> None:
    """A plan is complete, names parts that exist, leaves what no plan can allow alone, and its own gates hold."""
    assert old in PLAN
    bundle.put("pccp", PLAN.replace(old, new))
    bundle.seal()
    fails(report_of(bundle), "change plan", RejectedError, words)


def test_bundle_without_a_plan(bundle: TrustedFolder) -> None:
    """No plan means that no update could be judged: it is refused by name."""
    bundle.drop("pccp")
    bundle.seal()
    fails(report_of(bundle), "change plan", RejectedError, "no file with the role pccp")


# --- several at once, and the command ------------------------------------------------------------------------------


def test_every_fault_is_listed_not_just_the_first(bundle: TrustedFolder) -> None:
    """Faults of four checks stand side by side; the exit code is that of the gravest, which comes first."""
    bundle.drop("sbom")
    bundle.drop("pccp")
    bundle.put("model_card", "# paper\n")
    bundle.seal()
    (bundle.path / "stray.txt").write_text("x")
    (bundle.path / "tokenizer").unlink()
    report = report_of(bundle)
    failed = {one.check: len(one.findings.faults) for one in report.outcomes if one.findings.faults}
    assert failed == {"files": 2, "contents": 1, "sbom": 1, "model card": 6, "change plan": 1}
    assert report.exit_code == RejectedError.exit_code


def test_command_prints_a_line_per_check_and_ends_with_the_faults_code(
    bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound bundle ends 0 with a line per check, a damaged one with its class's code; JSON says the same."""
    command = ["verify", str(bundle.path), "--keys", str(bundle.signed.private_key.parent)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(line.startswith("ok ") for line in lines[:-1])
    (bundle.path / "tokenizer").write_text("{}")
    assert main([*command, "--json"]) == LengthOrHashRejected.exit_code
    document = json.loads(capsys.readouterr().out)
    assert document["trusted"] is False
    assert document["exit_code"] == 76
    (fault,) = [fault for check in document["checks"] for fault in check["faults"]]
    assert fault["error"] == "LengthOrHashRejected"
    assert "tokenizer has 2 bytes" in fault["message"]
