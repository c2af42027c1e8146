"""practice.toml: strict defaults, closed values, and one clear line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import parse_config
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError
from edge_agent.practice import load_practice


def write(folder: Path, text: str) -> Path:
    """Write a practice file."""
    path = folder / "practice.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_strict_defaults_hold(tmp_path: Path) -> None:
    """Section 0.8: clinician_only and prescriber_only."""
    practice = load_practice(None, default=tmp_path / "practice.toml")
    assert (practice.tcm_block, practice.prescription_block) == ("clinician_only", "prescriber_only")


def test_a_file_beside_the_configuration_is_read(tmp_path: Path) -> None:
    """The default place counts when the file is there, a named file goes before it."""
    default = write(tmp_path, 'tcm_block = "off"\n')
    assert load_practice(None, default=default).tcm_block == "off"
    named = tmp_path / "other.toml"
    named.write_text('tcm_block = "on"\nprescription_block = "off"\n', encoding="utf-8")
    practice = load_practice(named, default=default)
    assert (practice.tcm_block, practice.prescription_block) == ("on", "off")


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        ('tcm_blok = "on"\n', 1, "did you mean 'tcm_block'?"),
        ('# ours\ntcm_block = "off"\nprescription_blocks = "off"\n', 3, "did you mean 'prescription_block'?"),
        ("zzz = 1\n", 1, "known keys: contacts, prescription_block, tcm_block"),
        ('tcm_block = "everyone"\n', 1, "'off', 'clinician_only' or 'on'"),
        ("tcm_block = true\n", 1, "tcm_block"),
        ('\nprescription_block = "on"\n', 2, "'off' or 'prescriber_only'"),
    ],
)
def test_a_mistake_names_its_line_and_what_to_write(tmp_path: Path, text: str, line: int, wanted: str) -> None:
    """An unknown key or value is one line with file, line number and the right spelling; it never switches anything on."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_practice(path)
    assert f"{path}, line {line}: " in str(caught.value)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["tcm_block = ", "\xff"])
def test_an_unreadable_file_is_refused(tmp_path: Path, text: str) -> None:
    """Neither broken TOML nor broken characters fall back to a default."""
    path = tmp_path / "practice.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"practice\.toml"):
        load_practice(path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A wrong path in the configuration is an error, not a default."""
    with pytest.raises(ConfigError, match="practice_file"):
        load_practice(tmp_path / "missing.toml")


def test_the_configuration_names_the_file() -> None:
    """``practice_file`` is a path of the device's configuration; none means the default place."""
    assert parse_config("", name="c").practice_file is None
    assert parse_config('practice_file = "/etc/clinic/practice.toml"\n', name="c").practice_file == Path(
        "/etc/clinic/practice.toml"
    )


def test_every_switch_value_has_words() -> None:
    """Both languages, for doctor and the report."""
    lists = Vocabulary.load().lists
    for field, annotation in Practice.model_fields.items():
        if field == "contacts":  # names and numbers of people, which have no vocabulary
            continue
        values = annotation.annotation.__args__  # type: ignore[union-attr]
        assert set(values) == set(lists[f"practice_{field}"].terms)


def test_a_practice_says_whom_to_call(tmp_path: Path) -> None:
    """Names and numbers stand in one table; what is left out is None, so that the screen can say so."""
    text = '[contacts]\nemergency_number = "120"\nreferral_contact = { name = "Skin clinic", phone = "0571 1" }\n'
    contacts = load_practice(write(tmp_path, text)).contacts
    assert (contacts.emergency_number, str(contacts.referral_contact)) == ("120", "Skin clinic, 0571 1")
    assert (contacts.safeguarding_contact, contacts.crisis_contact) == (None, None)


@pytest.mark.parametrize("number", ["", "12\\n0", " 120", "1" * 121])
def test_a_number_that_could_not_be_read_on_one_line_is_refused(tmp_path: Path, number: str) -> None:
    """A worker reads it from the screen in an emergency: one line, not empty."""
    with pytest.raises(ConfigError, match="emergency_number"):
        load_practice(write(tmp_path, f'[contacts]\nemergency_number = "{number}"\n'))
