"""Where the store's key comes from: the file provider, and systemd's credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_agent.config import Config, parse_config
from edge_agent.errors import ConfigError, StoreCorrupt, StoreError
from edge_agent.store.key import CREDENTIALS_VARIABLE, load_store_key

KEY = "5a" * 32


def _load(tmp_path: Path, **variables: str) -> str:
    return load_store_key(
        "systemd-creds", state_dir=tmp_path, database=tmp_path / "store.db", environment=variables
    ).hex


def _credential(tmp_path: Path, text: str = KEY, mode: int = 0o440) -> str:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "store.key").write_text(text)
    (folder / "store.key").chmod(mode)
    return str(folder)


def test_the_credential_is_the_key(tmp_path: Path) -> None:
    """The key is read where systemd put it, with or without a newline, and no file is made beside the store."""
    assert _load(tmp_path, **{CREDENTIALS_VARIABLE: _credential(tmp_path, KEY + "\n")}) == KEY
    assert not (tmp_path / "store.key").exists()


def test_without_credentials_the_line_says_what_to_do(tmp_path: Path) -> None:
    """Started by hand or without the unit's line, the program names both ways out and makes no key of its own."""
    with pytest.raises(ConfigError, match=r"LoadCredentialEncrypted=store\.key.*key = \"file\""):
        _load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"credential store\.key is not in"):
        _load(tmp_path, **{CREDENTIALS_VARIABLE: str(tmp_path / "empty")})
    assert not (tmp_path / "store.key").exists()


def test_a_damaged_credential_is_refused(tmp_path: Path) -> None:
    """Anything but a key is StoreCorrupt."""
    with pytest.raises(StoreCorrupt):
        _load(tmp_path, **{CREDENTIALS_VARIABLE: _credential(tmp_path, "not a key")})


def test_a_credential_for_everybody_is_refused(tmp_path: Path) -> None:
    """A credential that every account may read is none."""
    with pytest.raises(StoreError, match="chmod 600"):
        _load(tmp_path, **{CREDENTIALS_VARIABLE: _credential(tmp_path, mode=0o444)})


def test_the_file_is_the_default(tmp_path: Path) -> None:
    """Without a word in the configuration the key is a file in the state folder."""
    assert Config().store.key == "file"
    key = load_store_key(Config().store.key, state_dir=tmp_path, database=tmp_path / "store.db")
    assert (tmp_path / "store.key").read_text() == key.hex + "\n"


def test_an_unknown_provider_is_a_configuration_error() -> None:
    """A misspelt provider is told with its line before anything is opened."""
    with pytest.raises(ConfigError, match="line 2"):
        parse_config('[store]\nkey = "tpm"\n', name="config.toml")


def test_steps_of_the_ladder_must_fall() -> None:
    """Thresholds in the wrong order are refused when the file is read."""
    with pytest.raises(ConfigError, match="low_bytes must be above"):
        parse_config("[storage]\nlow_bytes = 1000\n", name="config.toml")


@pytest.mark.skipif(shutil.which("systemd-creds") is None, reason="no systemd-creds here: Debian's package systemd")
def test_the_command_of_the_documentation_makes_a_credential(tmp_path: Path) -> None:
    """What ``systemd-creds encrypt`` seals with the host's key and systemd would decrypt is the key; no TPM is asked."""
    plain, sealed, folder = tmp_path / "plain", tmp_path / "sealed", tmp_path / "credentials"
    plain.write_text(KEY + "\n")
    folder.mkdir()
    host = {**os.environ, "SYSTEMD_CREDENTIAL_SECRET": str(tmp_path / "host.secret")}
    for words in (
        ("--with-key=host", "encrypt", str(plain), str(sealed)),
        ("decrypt", str(sealed), str(folder / "store.key")),
    ):
        subprocess.run(["systemd-creds", "--name=store.key", *words], env=host, check=True, capture_output=True)
    (folder / "store.key").chmod(0o400)
    assert KEY.encode() not in sealed.read_bytes()
    assert _load(tmp_path, **{CREDENTIALS_VARIABLE: str(folder)}) == KEY
