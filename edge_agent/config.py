"""The operator's wish: one TOML file, every key known, units in the names.

Hardware facts stand in the device profile and model needs in the bundle manifest; neither belongs here.
Secrets are never values in this file, only paths of files.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from device_profiles.profile import Window
from edge_agent.config_lines import explained
from edge_agent.errors import ConfigError

DEFAULT_PATH = Path("/etc/derm-edge/config.toml")
PATH_VARIABLE = "DERM_EDGE_CONFIG"
PACKAGE = Path(__file__).resolve().parent
MAX_VIEWS = 12
LANGUAGES = ("en", "zh", "ar", "es")  # that the kiosk can offer, in the order of its default
_TEST_LANGUAGE = "qps"  # made up, for our own tests: never named to anybody
M = TypeVar("M", bound=BaseModel)


def _default_state_dir() -> Path:
    """Return the folder that systemd made for the service (StateDirectory=), else the account's own."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given or platformdirs.user_state_dir("derm-edge", appauthor=False))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerConfig(_Section):
    """Say where the hub is reached: broker URL, TLS files, patience in seconds.

    ``windows``: local times ``HH:MM-HH:MM`` in which results leave by themselves; None takes the profile's.
    """

    url: str = "mqtt://127.0.0.1:1883"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    sync_timeout_s: float = Field(default=30.0, gt=0)
    windows: tuple[Window, ...] | None = Field(default=None, min_length=1)

    @field_validator("url")
    @classmethod
    def _is_a_broker_url(cls, value: str) -> str:
        wanted = "write mqtt://HOST:PORT or mqtts://HOST:PORT, with a port from 1 to 65535 or none"
        try:
            parts = urlsplit(value)
            port = parts.port  # urllib looks at it only when it is asked for
        except ValueError as exc:
            raise ValueError(wanted) from exc
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or port == 0:
            raise ValueError(wanted)
        return value

    @field_validator("ca_file", "certificate_file", "key_file")
    @classmethod
    def _is_a_path(cls, value: Path | None) -> Path | None:
        return None if value is None else _usable(value)


class InferenceConfig(_Section):
    """Override the profile's inference facts; None takes the profile's value."""

    threads: int | None = Field(default=None, ge=1)
    job_timeout_s: float | None = Field(default=None, gt=0)
    start_timeout_s: float = Field(default=300.0, gt=0)


class CaptureConfig(_Section):
    """Say where pictures come from: a folder, a video file, a V4L2 device or an MJPEG address; None asks on the command line.

    ``views``, ``width_px``, ``height_px`` and ``timeout_s`` None take the profile's. ``timeout_s`` is the patience with a
    camera or address, ``file_timeout_s`` with reading a video file. Of the live camera alone: ``width_px`` and
    ``height_px`` belong together and another size is a fault; ``fps`` is taken while somebody looks; ``expected_name``
    must stand in the camera's own name, capitals or not.
    """

    source: str | None = None
    width_px: int | None = Field(default=None, ge=56, le=3072)
    height_px: int | None = Field(default=None, ge=56, le=3072)
    fps: float | None = Field(default=None, ge=2, le=60)
    expected_name: str | None = Field(default=None, min_length=1)
    views: int | None = Field(default=None, ge=1, le=MAX_VIEWS)
    timeout_s: float | None = Field(default=None, gt=0)
    file_timeout_s: float = Field(default=120.0, gt=0)

    @model_validator(mode="after")
    def _is_a_whole_size(self) -> CaptureConfig:
        if (self.width_px is None) != (self.height_px is None):
            raise ValueError("write width_px and height_px both, or neither")
        return self


class LogConfig(_Section):
    """Bound the daemon's log files in the state folder: bytes of one, how many, and days after which one goes."""

    file_bytes: int = Field(default=1_000_000, ge=10_000)
    files: int = Field(default=10, ge=2, le=100)
    days: int = Field(default=30, ge=1)


class KioskConfig(_Section):
    """Say how the page on the device's own screen is served and how patient it is.

    Never reachable from another machine: there is no setting for an address, only a loopback ``port`` (0 takes any free
    one; ``state_dir/kiosk.url`` says which) or a Unix ``socket`` in its place. ``is_demo`` marks a device on which no real
    person is seen: only there may advice for a case with a real consent be printed in a language that nobody has verified.
    """

    is_enabled: bool = True
    port: int = Field(default=0, ge=0, le=65535)
    socket: Path | None = None
    languages: tuple[str, ...] = Field(default=LANGUAGES, min_length=1)
    blank_after_s: float = Field(default=60.0, ge=10, le=60)  # policy R7: a minute at most
    sign_out_after_s: float = Field(default=600.0, ge=60, le=3600)
    is_demo: bool = False

    @field_validator("languages")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not {*value} <= {*LANGUAGES, _TEST_LANGUAGE}:
            raise ValueError(f"write some of {', '.join(LANGUAGES)}, each in quotes")
        return value

    @field_validator("socket")
    @classmethod
    def _is_a_path(cls, value: Path | None) -> Path | None:
        return None if value is None else _absolute(value)


class StoreConfig(_Section):
    """Say where the store's key comes from: a file in the state folder, or systemd's credentials."""

    key: Literal["file", "systemd-creds"] = "file"


class StorageConfig(_Section):
    """Say how much room must stay free for each step of the disk-full ladder, in bytes; ``budget_bytes`` None: the profile's."""

    budget_bytes: int | None = Field(default=None, gt=0)
    low_bytes: int = Field(default=2_000_000_000, gt=0)
    tight_bytes: int = Field(default=500_000_000, gt=0)
    full_bytes: int = Field(default=100_000_000, gt=0)

    @model_validator(mode="after")
    def _steps_follow_each_other(self) -> StorageConfig:
        if not self.low_bytes > self.tight_bytes > self.full_bytes:
            raise ValueError("low_bytes must be above tight_bytes, and that above full_bytes")
        return self


class Config(_Section):
    """Hold the whole configuration of one device.

    ``practice_file`` names the clinic's own switches (``practice``), ``policy_file`` what the ministry signed
    (``policy.load``), ``policy_keys_dir`` the keys that may sign it. ``receivers_dir``: the
    certificates of those whom pictures may be encrypted to (``interop.receivers``); None: no picture leaves.
    """

    state_dir: Path = Field(default_factory=_default_state_dir)
    bundle_dir: Path = PACKAGE / "bundles" / "reference"
    keys_dir: Path = PACKAGE / "keys"
    language: Literal["zh", "en"] = "en"
    profile: str = "generic"
    practice_file: Path | None = None
    policy_file: Path | None = None
    policy_keys_dir: Path = PACKAGE / "keys"
    receivers_dir: Path | None = None
    device_id: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    broker: BrokerConfig = BrokerConfig()
    inference: InferenceConfig = InferenceConfig()
    capture: CaptureConfig = CaptureConfig()
    log: LogConfig = LogConfig()
    kiosk: KioskConfig = KioskConfig()
    store: StoreConfig = StoreConfig()
    storage: StorageConfig = StorageConfig()

    @field_validator("state_dir", "bundle_dir", "keys_dir", "policy_keys_dir")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        return _absolute(value)

    @field_validator("practice_file", "policy_file", "receivers_dir")
    @classmethod
    def _make_absolute_if_named(cls, value: Path | None) -> Path | None:
        return None if value is None else _absolute(value)


def _absolute(path: Path) -> Path:
    try:
        return _usable(path).expanduser().absolute()
    except RuntimeError as exc:  # ~somebody without an account here
        raise ValueError(f"{path} names no home folder of this computer; write the whole path") from exc


def _usable(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path cannot hold a zero byte; write it again")
    return path


def load_config(path: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Config:
    """Load the configuration. Does not touch the folders that it names.

    The file is ``path``, else the one named by ``DERM_EDGE_CONFIG``, else /etc/derm-edge/config.toml if it
    exists, else the built-in defaults.

    Args:
        path: the file given on the command line.
        environment: where ``DERM_EDGE_CONFIG`` is looked up; None means the process environment.

    Raises:
        ConfigError: a named file cannot be read, is not TOML, or has a key or value that is not known;
            names the file and the line, and suggests a spelling.
    """
    chosen = chosen_path(path, environment=os.environ if environment is None else environment)
    return Config() if chosen is None else parse_config(read_text(chosen), name=str(chosen))


def chosen_path(path: Path | None, *, environment: Mapping[str, str]) -> Path | None:
    """Return the file that ``load_config`` reads; None where the built-in defaults hold."""
    chosen = path or (Path(environment[PATH_VARIABLE]) if environment.get(PATH_VARIABLE) else None)
    return chosen or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)


def read_text(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot read the configuration ({exc}); name another file with --config") from exc


def parse_config(text: str, *, name: str) -> Config:
    """Parse the text of a configuration file; ``name`` stands in error messages.

    Raises:
        ConfigError: as for ``load_config``.
    """
    return parse_as(Config, text, name=name)


def parse_as(model: type[M], text: str, *, name: str) -> M:
    """Parse TOML text into a model whose keys are all known; ``name`` stands in error messages.

    Raises:
        ConfigError: as for ``load_config``.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{name}: not valid TOML: {exc}") from exc
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise ConfigError(explained(exc.errors()[0], model=model, text=text, name=name)) from exc
