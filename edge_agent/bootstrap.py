"""Build every object once, in order, and close them in reverse. The only place that knows all parts.

Heavy imports are inside the functions: the supervisor opens the store without ever loading OpenVINO.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_profiles.loader import ProfileError, load_profile
from device_profiles.profile import Profile
from edge_agent.config import Config
from edge_agent.engine_bootstrap import CAREFUL, Arithmetic, EngineWish
from edge_agent.errors import ConfigError
from edge_agent.store_bootstrap import Store, open_store

if TYPE_CHECKING:
    from edge_agent.contracts.terms import Vocabulary
    from edge_agent.inference_child import ChildSettings
    from edge_agent.store.outbox import Outbox
    from edge_agent.supervision.logs import Log
    from edge_agent.uplink.settings import UplinkSettings
    from edge_agent.uplink.uplink import Uplink

__all__ = ["Store", "open_store"]  # also for those who build the other parts


def resolve_profile(config: Config) -> Profile:
    """Load the configured device profile.

    Raises:
        ConfigError: there is none with this name, or it is only for tests.
    """
    try:
        profile = load_profile(config.profile)
    except ProfileError as exc:
        raise ConfigError(str(exc), key="profile") from exc
    if profile.test_only:
        raise ConfigError(f'device profile {profile.name!r} is only for tests; set profile = "generic"', key="profile")
    return profile


def engine_wish(config: Config, *, bundle_dir: Path | None = None) -> EngineWish:
    """Combine the operator's wish, the profile's facts and the policy; ``bundle_dir`` overrides the configured one."""
    from edge_agent.policy.load import policy_in_force

    profile = resolve_profile(config)
    return EngineWish(
        bundle_dir=bundle_dir or config.bundle_dir,
        keys_dir=config.keys_dir,
        device=profile.inference.device,
        threads=config.inference.threads or profile.inference.threads,
        practice_file=config.practice_file,
        arithmetic=Arithmetic.of(profile),
        routine_deadline_hours=policy_in_force(config, remember=False).policy.routine_deadline_hours,
    )


def country_vocabulary(config: Config) -> Vocabulary:
    """Load the vocabulary with the deadlines of the policy in force; accepts no new policy file."""
    from edge_agent.contracts.terms import Vocabulary
    from edge_agent.policy.load import policy_in_force
    from edge_agent.policy.rules import with_country_deadlines

    return with_country_deadlines(policy_in_force(config, remember=False).policy, Vocabulary.load())


def build_uplink(
    config: Config, outbox: Outbox, *, log: Log | None = None, hours: Sequence[str] | None = None
) -> Uplink:
    """Build the uplink to the configured broker. Does not connect.

    Args:
        config: the device's configuration.
        outbox: whose rows it sends.
        log: the daemon's; None lets the uplink write plain lines to stderr.
        hours: when results leave by themselves; None: always.
    """
    from edge_agent.uplink.hours import ALL_DAY
    from edge_agent.uplink.settings import load_or_create_device_id
    from edge_agent.uplink.uplink import Uplink

    device = config.device_id or load_or_create_device_id(config.state_dir / "device_id")
    settings = replace(uplink_settings(config, device=device), hours=tuple(hours or ALL_DAY))
    return Uplink(outbox, settings, lock_path=config.state_dir / "uplink.lock", log=log)


def uplink_settings(config: Config, *, device: str) -> UplinkSettings:
    """Return how the configured broker is reached. Opens no file.

    Raises:
        ConfigError: the values do not go together.
    """
    from edge_agent.uplink.settings import UplinkSettings

    broker = config.broker
    return UplinkSettings.from_url(
        broker.url,
        device=device,
        ca_file=broker.ca_file,
        certificate_file=broker.certificate_file,
        key_file=broker.key_file,
    )


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
        **({} if (hours := wish.routine_deadline_hours) is None else {"--routine-deadline-hours": hours}),
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
