"""Build the store's parts: database, cases, outbox, vault, and what keeps them in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import StoreError
from edge_agent.state_dir import prepare_state_dir

if TYPE_CHECKING:
    from device_profiles.profile import Profile
    from edge_agent.contracts.policy import Policy
    from edge_agent.store.backups import Backups
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.database import Database
    from edge_agent.store.key import StoreKey
    from edge_agent.store.outbox import Outbox
    from edge_agent.store.retention import Retention
    from edge_agent.store.space import StorageRoom, Thresholds
    from edge_agent.store.vault import ImageVault


@dataclass(frozen=True, slots=True)
class Store:
    """Hold the parts of the device's store that others work with.

    ``upkeep_error``: why the vault or the backups could not be brought in order at the start; the store works.
    """

    cases: CaseStore
    outbox: Outbox
    vault: ImageVault
    database: Database
    upkeep_error: StoreError | None = None


@contextmanager
def open_store(config: Config, *, is_locked: bool = False) -> Iterator[Store]:
    """Open the encrypted store, making it at the first start, and finish what a power cut interrupted in the vault.

    Does not take the state lock.

    Args:
        config: the device's configuration.
        is_locked: the caller holds the state lock: then what an interrupted restore left is removed too.

    Raises:
        StoreError: it cannot be opened.
        ConfigError: the state folder cannot be written.
    """
    from edge_agent.store.backups import Backups
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.database import Database
    from edge_agent.store.outbox import Outbox
    from edge_agent.store.restore import sweep_copies
    from edge_agent.store.vault import ImageVault

    prepare_state_dir(config.state_dir)
    path, key = store_key(config)
    if is_locked:
        sweep_copies(path)
    with Database(path, key) as database:
        vault = ImageVault(database)
        yield Store(
            cases=CaseStore(database, vault=vault),
            outbox=Outbox(database),
            vault=vault,
            database=database,
            upkeep_error=_keep_up(database, vault, Backups(path, key)),
        )


def _keep_up(database: Database, vault: ImageVault, backups: Backups) -> StoreError | None:
    """Finish what a power cut interrupted. What fails is told and tried at the next start: it must stop no case."""
    from edge_agent.store.views import move_pictures

    try:
        vault.sweep()
        vault.settle()
        move_pictures(database, vault)
        backups.prune()
        backups.settle(database)
    except StoreError as exc:
        return exc
    return None


def store_key(config: Config) -> tuple[Path, StoreKey]:
    """Return the path of the store and its key, which is made at the first start (provider ``file``).

    Raises:
        ConfigError: the configured provider has no key for this process.
        StoreError: the key cannot be read, or is missing beside a store.
    """
    from edge_agent.store.key import load_store_key

    path = config.state_dir / "store.db"
    return path, load_store_key(config.store.key, state_dir=config.state_dir, database=path)


def build_retention(config: Config, store: Store, *, policy: Policy) -> Retention:
    """Build retention over the kiosk's classes. Deletes nothing yet.

    Args:
        config: the device's configuration.
        store: the open store.
        policy: in force; says how long each class is kept.
    """
    from edge_agent.store.audit import PROGRAM_DATE
    from edge_agent.store.backups import Backups
    from edge_agent.store.retention import Retention
    from edge_agent.store.retention_classes import standard_classes

    return Retention(
        store.database,
        vault=store.vault,
        backups=Backups(*store_key(config)),
        classes=standard_classes(store.vault, policy),
        clock=lambda: datetime.now(UTC),
        made=PROGRAM_DATE.date(),
    )


def storage_thresholds(config: Config, profile: Profile) -> Thresholds:
    """Return where each stage of the disk-full ladder begins, from the configuration and the profile in use."""
    from edge_agent.store.space import Thresholds

    wish = config.storage
    return Thresholds(
        low_bytes=wish.low_bytes,
        tight_bytes=wish.tight_bytes,
        full_bytes=wish.full_bytes,
        budget_bytes=wish.budget_bytes or profile.storage.disk_budget_bytes,
    )


def build_storage_room(config: Config, store: Store, *, profile: Profile) -> StorageRoom:
    """Build the disk-full ladder. Clears nothing yet.

    Args:
        config: the device's configuration.
        store: the open store.
        profile: the one in use, in safe mode the spare one.
    """
    from edge_agent.store.space import StorageRoom

    thresholds = storage_thresholds(config, profile)
    return StorageRoom(
        store.database, vault=store.vault, thresholds=thresholds, cache=(config.state_dir / "thumbnails",)
    )
