"""Answer "was anything lost?" from the ledger: expected minus received, per device and epoch."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from edge_agent.contracts.result import Wire
from fleet.database import database_errors
from fleet.tables import conflicts, devices, ledger, refusals, rejected, results, tombstones


class DeviceStatus(Wire):
    """One device and epoch: ``missing`` = expected − received − rejected; 0 when nothing is on its way."""

    device: str
    epoch: str
    expected: int
    received: int
    rejected: int
    conflicts: int
    missing: int
    chain_breaks: int
    last_seen_s: int


class HubStatus(Wire):
    """What the hub holds. ``stored`` counts results now in the table, without those withdrawn since."""

    schema_version: int
    stored: int
    withdrawn: int
    rejected: int
    conflicts: int
    missing: int
    refused_payloads: dict[str, int]
    devices: tuple[DeviceStatus, ...]


def read_status(engine: sa.Engine) -> HubStatus:
    """Read the status in one transaction of one snapshot, so that its numbers fit together.

    Raises:
        HubError: the database failed.
    """
    with database_errors(), engine.connect() as connection, connection.begin():
        per_device = _read_devices(connection)
        return HubStatus(
            schema_version=1,
            stored=_count(connection, results),
            withdrawn=_count(connection, tombstones),
            rejected=_count(connection, rejected),
            conflicts=_count(connection, conflicts),
            missing=sum(row.missing for row in per_device),
            refused_payloads={str(row.reason): int(row.payloads) for row in connection.execute(sa.select(refusals))},
            devices=per_device,
        )


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _per_device(connection: sa.Connection, table: sa.Table) -> dict[tuple[str, str], int]:
    keys = (table.c.device, table.c.epoch)
    rows: Any = connection.execute(sa.select(*keys, sa.func.count()).group_by(*keys))
    return {(device, epoch): count for device, epoch, count in rows}


def _read_devices(connection: sa.Connection) -> tuple[DeviceStatus, ...]:
    received, refused = _per_device(connection, ledger), _per_device(connection, rejected)
    clashes = _per_device(connection, conflicts)
    lines = []
    for row in connection.execute(sa.select(devices).order_by(devices.c.device, devices.c.first_seen_s)):
        key = (row.device, row.epoch)
        got, bad = received.get(key, 0), refused.get(key, 0)
        lines.append(
            DeviceStatus(
                device=row.device,
                epoch=row.epoch,
                expected=row.expected,
                received=got,
                rejected=bad,
                conflicts=clashes.get(key, 0),
                missing=row.expected - got - bad,
                chain_breaks=row.chain_breaks,
                last_seen_s=row.last_seen_s,
            )
        )
    return tuple(lines)
