"""Build every object once, in order, and close them in reverse. The only place that knows all parts.

Heavy imports are inside the functions: the supervisor opens the store without ever loading OpenVINO.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from device_profiles.loader import ProfileError, load_profile
from device_profiles.profile import Profile
from edge_agent.config import Config
from edge_agent.engine_bootstrap import CAREFUL, Arithmetic, EngineWish, verify_bundle
from edge_agent.errors import ConfigError, InferenceError
from edge_agent.state_dir import prepare_state_dir

if TYPE_CHECKING:
    from edge_agent.daemon import Daemon, Log
    from edge_agent.device_bootstrap import Devices
    from edge_agent.devices.ladder import Ladder, OnStep
    from edge_agent.inference_child import ChildSettings, InferenceChild
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.database import Database
    from edge_agent.store.outbox import Outbox
    from edge_agent.store.vault import ImageVault
    from edge_agent.uplink.uplink import Uplink


@dataclass(frozen=True, slots=True)
class Store:
    """Hold the parts of the device's store that others work with."""

    cases: CaseStore
    outbox: Outbox
    vault: ImageVault
    database: Database


def resolve_profile(config: Config) -> Profile:
    """Load the configured device profile.

    Raises:
        ConfigError: there is none with this name, or it is only for tests.
    """
    try:
        profile = load_profile(config.profile)
    except ProfileError as exc:
        raise ConfigError(str(exc)) from exc
    if profile.test_only:
        raise ConfigError(f'device profile {profile.name!r} is only for tests; set profile = "generic"')
    return profile


def engine_wish(config: Config, *, bundle_dir: Path | None = None) -> EngineWish:
    """Combine the operator's wish with the profile's facts; ``bundle_dir`` overrides the configured one."""
    profile = resolve_profile(config)
    return EngineWish(
        bundle_dir=bundle_dir or config.bundle_dir,
        keys_dir=config.keys_dir,
        device=profile.inference.device,
        threads=config.inference.threads or profile.inference.threads,
        practice_file=config.practice_file,
        arithmetic=Arithmetic.of(profile),
    )


@contextmanager
def open_store(config: Config) -> Iterator[Store]:
    """Open the encrypted store, making it at the first start, and finish what a power cut interrupted in the vault.

    Does not take the state lock.

    Raises:
        StoreError: it cannot be opened.
        ConfigError: the state folder cannot be written.
    """
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.database import Database
    from edge_agent.store.key import load_or_create_key
    from edge_agent.store.outbox import Outbox
    from edge_agent.store.vault import ImageVault
    from edge_agent.store.views import move_pictures

    prepare_state_dir(config.state_dir)
    path = config.state_dir / "store.db"
    key = load_or_create_key(config.state_dir / "store.key", database=path)
    with Database(path, key) as database:
        vault = ImageVault(database)
        vault.sweep()
        vault.settle()
        move_pictures(database, vault)
        yield Store(cases=CaseStore(database, vault=vault), outbox=Outbox(database), vault=vault, database=database)


def build_uplink(config: Config, outbox: Outbox, *, log: Log | None = None) -> Uplink:
    """Build the uplink to the configured broker. Does not connect.

    Args:
        config: the device's configuration.
        outbox: whose rows it sends.
        log: the daemon's; None lets the uplink write plain lines to stderr.
    """
    from edge_agent.uplink.settings import UplinkSettings, load_or_create_device_id
    from edge_agent.uplink.uplink import Uplink

    broker = config.broker
    settings = UplinkSettings.from_url(
        broker.url,
        device=config.device_id or load_or_create_device_id(config.state_dir / "device_id"),
        ca_file=broker.ca_file,
        certificate_file=broker.certificate_file,
        key_file=broker.key_file,
    )
    return Uplink(outbox, settings, lock_path=config.state_dir / "uplink.lock", log=log)


def child_settings(config: Config, wish: EngineWish) -> ChildSettings:
    """Say how the inference child is started for this configuration."""
    from edge_agent.inference_child import ChildSettings

    profile = resolve_profile(config)
    arguments: dict[str, Any] = {
        "--bundle": wish.bundle_dir,
        "--keys": wish.keys_dir,
        "--device": wish.device,
        "--threads": wish.threads,
        **({} if wish.practice_file is None else {"--practice": wish.practice_file}),
        **({} if wish.name is None else {"--name": wish.name}),
        **{_switch(name): value for name, value in asdict(wish.arithmetic).items() if value is not None},
    }
    careful = [f"--{CAREFUL}"] if wish.is_careful else []
    return ChildSettings(
        arguments=[*careful, *(str(part) for pair in arguments.items() for part in pair)],
        rung=wish.rung,
        start_timeout_s=config.inference.start_timeout_s,
        job_timeout_s=config.inference.job_timeout_s or profile.inference.job_timeout_s,
    )


def _switch(name: str) -> str:
    return f"--{name.replace('_', '-')}"


class LossyStream:
    """Write text somewhere and lose what cannot be written: a full disk under the log must not stop any case.

    Args:
        stream: usually stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or lose it; say that it was written."""
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def build_log() -> Log:
    """Build the daemon's log: one JSON object per line, on stderr. A line that cannot be written is lost."""
    import structlog

    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(LossyStream(sys.stderr)),  # type: ignore[arg-type]  # it uses these two methods only
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    return log


def report_failure(child: InferenceChild | Ladder, log: Log) -> Callable[[str, InferenceError], None]:
    """Return what ``CaseWork`` tells of a failed attempt: a log line, and the end of a child that was left half-way."""
    from edge_agent.inference_child import State

    def on_failure(case_id: str, error: InferenceError) -> None:
        log.warning("case.failed", case_id=case_id, **error.diagnostics())
        if child.state in (State.STARTING, State.BUSY):  # what it says next belongs to no case
            child.stop()

    return on_failure


def report_step(log: Log) -> OnStep:
    """Return what the ladder tells of a step down: a log line."""

    def on_step(before: str, after: str, why: str) -> None:
        log.warning("device.step", before=before, after=after, why=why)

    return on_step


@contextmanager
def open_daemon(config: Config, *, stop: threading.Event, devices: Devices | None = None) -> Iterator[Daemon]:
    """Build the daemon with everything that it owns. Takes the state lock; starts nothing.

    Args:
        config: the device's configuration.
        stop: set by the caller to end the daemon.
        devices: that may be used; None are those of this computer.

    Raises:
        DaemonError: another process uses the state folder.
        StoreError: the store cannot be opened.
        RejectedError: the bundle is not trusted or does not fit.
        ConfigError: the practice file cannot be read.
    """
    from edge_agent.casework import CaseWork
    from edge_agent.daemon import Daemon, Parts
    from edge_agent.device_bootstrap import build_ladder
    from edge_agent.practice import load_practice
    from edge_agent.rules_only import rules_only_report
    from edge_agent.state_dir import StateLock
    from edge_agent.workload import predicted_s

    profile = resolve_profile(config)
    wish = engine_wish(config)
    manifest = verify_bundle(wish, profile=profile).manifest
    load_practice(config.practice_file)  # the child reads it; a mistake in it is told here, before the first case
    prepare_state_dir(config.state_dir)
    log = build_log()
    with StateLock(config.state_dir, wait_s=5.0), open_store(config) as store:
        child = build_ladder(config, manifest, stop=stop, on_step=report_step(log), devices=devices)
        try:
            work = CaseWork(
                store.cases,
                runner=child,
                without_model=partial(rules_only_report, manifest=manifest),
                profile_class=profile.profile_class,
                is_stopping=stop.is_set,
                on_failure=report_failure(child, log),
            )
            parts = Parts(
                cases=store.cases,
                outbox=store.outbox,
                child=child,
                work=work,
                uplink=build_uplink(config, store.outbox, log=log),
                stop=stop,
                log=log,
            )
            yield Daemon(parts, bundle_dir=wish.bundle_dir, predict=partial(predicted_s, manifest, profile))
        finally:
            child.stop()
