"""Opening a sound bundle, and the keys that may sign it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.cli import main
from calibration.package import manifest_bytes, staged
from calibration.sign import development_key, generate_key, sign_bundle
from edge_agent.contracts.bundle import ENVELOPE_NAME, open_bundle, parse_manifest
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import ConfigError, ExportError, LengthOrHashRejected, RejectedError, SignatureRejected
from tests.simulators.bundles import SignedFolder, signed_folder, write_key


@pytest.fixture
def bundle(tmp_path: Path) -> SignedFolder:
    """Return a valid signed bundle."""
    return signed_folder(tmp_path)


def test_sound_bundle_opens_and_names_its_signer(bundle: SignedFolder) -> None:
    """A bundle signed by a configured key opens; the signer is called after the key's file."""
    opened = open_bundle(bundle.path, keys=bundle.keys)
    assert opened.signed_by == "clinic key"
    assert opened.path_of("tokenizer").read_bytes().startswith(b"content of tokenizer")


def test_any_one_of_several_keys_is_enough(bundle: SignedFolder, tmp_path: Path) -> None:
    """An old and a new key may overlap: one configured key that signed is enough."""
    write_key(tmp_path / "keys", "another")
    assert len(load_keys(tmp_path / "keys")) == 2
    assert open_bundle(bundle.path, keys=load_keys(tmp_path / "keys")).signed_by == "clinic key"


def test_missing_role_is_one_line(bundle: SignedFolder) -> None:
    """Asking for a role that the bundle does not have says what to do."""
    with pytest.raises(RejectedError, match="no file with the role vocabulary"):
        open_bundle(bundle.path, keys=bundle.keys).path_of("vocabulary")


def test_development_key_is_recognised() -> None:
    """The shipped key is the development key, and its published private half belongs to it."""
    (key,) = load_keys(shipped_key_folder())
    assert key.name == "development key"
    assert key.is_development


def test_published_development_key_signs(bundle: SignedFolder) -> None:
    """A bundle signed with the published private key is shown as signed by the development key."""
    sign_bundle(bundle.path, private_key=development_key(), replace=True)
    assert open_bundle(bundle.path, keys=load_keys(shipped_key_folder())).signed_by == "development key"


def test_a_clinical_bundle_needs_a_key_of_its_own(bundle: SignedFolder, tmp_path: Path) -> None:
    """Whatever the key file is called: the published private half signs nothing that says it is for clinical use."""
    bundle.document["clinical_use"] = True
    bundle.sign()
    assert open_bundle(bundle.path, keys=bundle.keys).manifest.clinical_use
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    shutil.copy(shipped_key_folder() / "development.pub.pem", renamed / "clinic.pub.pem")
    sign_bundle(bundle.path, private_key=development_key(), replace=True)
    with pytest.raises(SignatureRejected, match="development key"):
        open_bundle(bundle.path, keys=load_keys(renamed))


def test_opening_needs_no_model_libraries() -> None:
    """Verifying a bundle imports neither OpenVINO nor torch, OpenCV or numpy."""
    code = (
        "import sys, edge_agent.contracts.bundle; print(sorted({'openvino','torch','cv2','numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_broken_key_file_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    """A key file that holds no public key is named, never skipped."""
    (tmp_path / "x.pub.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"x.pub.pem is not a PEM public key"):
        load_keys(tmp_path)


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Only ed25519 keys are accepted."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "p256.pub.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match="not an ed25519 key"):
        load_keys(tmp_path)


def test_folder_without_keys_is_a_config_error(tmp_path: Path) -> None:
    """No key configured is said at once; it never means that every bundle is trusted."""
    with pytest.raises(ConfigError, match="nothing that is signed is believed"):
        load_keys(tmp_path)


def test_keygen_never_overwrites_and_hides_the_private_half(tmp_path: Path) -> None:
    """keygen writes mode 0600 and refuses an existing name."""
    public = generate_key(tmp_path / "clinic.pem")
    assert public.name == "clinic.pub.pem"
    assert stat.S_IMODE((tmp_path / "clinic.pem").stat().st_mode) == 0o600
    before = (tmp_path / "clinic.pem").read_bytes()
    with pytest.raises(ConfigError, match="never overwritten"):
        generate_key(tmp_path / "clinic.pem")
    assert (tmp_path / "clinic.pem").read_bytes() == before


def test_signing_twice_needs_replace(bundle: SignedFolder) -> None:
    """A signature is not replaced by accident."""
    with pytest.raises(ExportError, match="add --replace"):
        sign_bundle(bundle.path, private_key=bundle.private_key)


def test_signing_compares_the_files_first(bundle: SignedFolder) -> None:
    """A bundle whose files differ from its manifest is not signed."""
    (bundle.path / "tokenizer").write_bytes(b"changed")
    before = (bundle.path / ENVELOPE_NAME).read_bytes()
    with pytest.raises(LengthOrHashRejected, match="tokenizer has 7 bytes"):
        sign_bundle(bundle.path, private_key=bundle.private_key, replace=True)
    assert (bundle.path / ENVELOPE_NAME).read_bytes() == before


def test_signing_the_same_bundle_gives_the_same_bytes(bundle: SignedFolder) -> None:
    """Signing is repeatable: ed25519 has no random part and the envelope carries no time."""
    sign_bundle(bundle.path, private_key=bundle.private_key, replace=True)
    first = (bundle.path / ENVELOPE_NAME).read_bytes()
    sign_bundle(bundle.path, private_key=bundle.private_key, replace=True)
    assert (bundle.path / ENVELOPE_NAME).read_bytes() == first


def test_manifest_bytes_keep_the_order_of_generation(bundle: SignedFolder) -> None:
    """Keys are sorted everywhere but inside an output schema, whose key order is the order of generation."""
    schema = {"properties": {"zebra": {"enum": [1, 2]}, "ant": {"enum": [1, 2]}}}
    step = {"name": "s", "prompt": "{images}", "contract": "schema", "output_schema": schema}
    for agent in bundle.document["agents"].values():
        agent["steps"] = [{**step, "generation": {"max_tokens": 8}}]
    written = json.loads(manifest_bytes(parse_manifest(json.dumps(bundle.document).encode())))
    assert list(written) == sorted(written)
    properties = written["agents"]["reasoning"]["steps"][0]["output_schema"]["properties"]
    assert list(properties) == ["zebra", "ant"]


def test_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    """An error inside the staging block removes the staging folder and writes no bundle."""
    out = tmp_path / "bundle"
    with pytest.raises(RuntimeError, match="gate"), staged(out, replace=False) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError("gate")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_keeps_the_older_bundle(bundle: SignedFolder) -> None:
    """The kernel's own error for a device without space becomes a message; what was there stays."""
    before = sorted(path.name for path in bundle.path.iterdir())
    with pytest.raises(ExportError, match="No space left on device"), staged(bundle.path, replace=True):
        Path("/dev/full").write_bytes(b"x")
    assert sorted(path.name for path in bundle.path.iterdir()) == before
    assert [path.name for path in bundle.path.parent.iterdir() if ".tmp-" in path.name] == []


def test_a_signature_that_cannot_be_written_leaves_the_bundle_as_it_was(bundle: SignedFolder) -> None:
    """A file size limit stops the write half way; the old envelope stays and no half one lies beside it."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from calibration.sign import sign_bundle\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "sign_bundle(Path(sys.argv[1]), private_key=Path(sys.argv[2]), replace=True)"
    )
    before = {path.name: path.read_bytes() for path in bundle.path.iterdir()}
    command = [sys.executable, "-c", script, str(bundle.path), str(bundle.private_key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ExportError: cannot write" in done.stderr
    assert {path.name: path.read_bytes() for path in bundle.path.iterdir()} == before


def test_the_development_key_never_replaces_a_signature_by_default(bundle: SignedFolder) -> None:
    """``sign --replace`` without a key would turn a clinic's bundle into one that anybody can sign."""
    before = (bundle.path / ENVELOPE_NAME).read_bytes()
    assert main(["sign", str(bundle.path), "--replace"]) == ConfigError.exit_code
    assert (bundle.path / ENVELOPE_NAME).read_bytes() == before


def test_build_never_replaces_what_is_not_a_bundle(tmp_path: Path) -> None:
    """--replace on a folder of other things leaves it alone."""
    out = tmp_path / "photos"
    out.mkdir()
    (out / "a.jpg").write_text("x")
    with pytest.raises(ExportError, match="is not a bundle"), staged(out, replace=True):
        pass
    assert (out / "a.jpg").read_text() == "x"


def test_cli_errors_are_one_line_and_the_code_of_their_class(
    bundle: SignedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle signed by a key that is not configured: exit code 73, one line, no traceback."""
    assert main(["inspect", str(bundle.path)]) == 73
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "no configured key signed this bundle" in captured.err
