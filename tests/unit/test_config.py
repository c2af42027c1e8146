"""The configuration: every key known, errors that name the file, the line and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import LANGUAGES, Config, load_config, parse_config
from edge_agent.errors import ConfigError
from edge_agent.kiosk.language import FOLDER


def test_without_a_file_the_defaults_hold() -> None:
    """An empty environment and no file give a complete configuration."""
    config = load_config(None, environment={})
    assert config.language == "en"
    assert config.bundle_dir.is_absolute()
    assert config.state_dir.is_absolute()


def test_the_command_line_goes_before_the_environment(tmp_path: Path) -> None:
    """--config wins over DERM_EDGE_CONFIG."""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('language = "zh"\n')
    second.write_text('language = "en"\n')
    assert load_config(first, environment={"DERM_EDGE_CONFIG": str(second)}).language == "zh"
    assert load_config(None, environment={"DERM_EDGE_CONFIG": str(first)}).language == "zh"


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        ('language = "en"\nbundel_dir = "/x"\n', 2, "did you mean 'bundle_dir'?"),
        ('# first\n\n[broker]\nurl = "mqtt://h"\nca_fil = "/ca"\n', 5, "did you mean 'ca_file'?"),
        ('[brokr]\nurl = "mqtt://h"\n', 1, "did you mean 'broker'?"),
        ("broker.zzz = 1\n", 1, "known keys: ca_file"),
    ],
)
def test_an_unknown_key_names_its_line_and_a_spelling(text: str, line: int, wanted: str) -> None:
    """An unknown key is an error with file, line and suggestion; it is never ignored."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="device.toml")
    assert f"device.toml, line {line}: unknown key" in str(caught.value)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('language = "fr"\n', 1, "language"),
        ("\n[inference]\nthreads = 0\n", 3, "inference.threads"),
        ('[broker]\nurl = "http://hub"\n', 2, "broker.url"),
        ('device_id = "kiosk-7"\n', 1, "device_id"),
        ('broker.url = "mqtt://hub:abc"\n', 1, "broker.url"),
        ('broker.url = "mqtt://hub:99999"\n', 1, "broker.url"),
        ('broker.url = "mqtt://hub:0"\n', 1, "broker.url"),
        ('broker.url = "mqtt://[hub"\n', 1, "broker.url"),
        ('state_dir = "~nosuchuser/x"\n', 1, "state_dir"),
        ('state_dir = "a\\u0000b"\n', 1, "state_dir"),
        ('broker.ca_file = "a\\u0000b"\n', 1, "broker.ca_file"),
    ],
)
def test_a_wrong_value_names_its_line(text: str, line: int, key: str) -> None:
    """A value out of its range is an error with file, line and key."""
    with pytest.raises(ConfigError, match=rf"c\.toml, line {line}: {key}: "):
        parse_config(text, name="c.toml")


@pytest.mark.parametrize(
    ("text", "wanted", "never"),
    [
        ("state_dir = 5\n", "write a path in quotes", "pathlib"),
        ('[kiosk]\nlanguages = ["en", "fr"]\n', "write some of en, zh, ar, es", "qps"),
        ("[kiosk]\nlanguages = [5]\n", "kiosk.languages", "qps"),
    ],
)
def test_a_wrong_value_is_told_in_words_of_the_program(text: str, wanted: str, never: str) -> None:
    """No name of a Python class, and never the language that only our own tests know."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="c.toml")
    assert wanted in str(caught.value)
    assert never not in str(caught.value)


def test_the_languages_of_the_tests_and_of_people_are_taken() -> None:
    """Every language that has a catalogue, and the made-up one."""
    assert parse_config('kiosk.languages = ["qps", "ar"]\n', name="c").kiosk.languages == ("qps", "ar")
    assert {one.name for one in (FOLDER).iterdir() if one.is_dir()} == {*LANGUAGES}


def test_broken_toml_is_one_line() -> None:
    """A syntax error keeps the parser's own position."""
    with pytest.raises(ConfigError, match=r"not valid TOML.*line 1"):
        parse_config("language = \n", name="c.toml")


def test_a_missing_named_file_is_an_error(tmp_path: Path) -> None:
    """A file that was named must exist; the defaults never stand in for it."""
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(tmp_path / "none.toml", environment={})


def test_values_are_frozen() -> None:
    """Nobody changes the configuration while the program runs."""
    with pytest.raises(ValueError, match="frozen"):
        Config().language = "zh"
