"""The hub's tables, as the latest migration leaves them.

Result rows carry no device; the ledger carries no result. Duplicates and completeness are decided in the
ledger alone, so the results can be handed to analysts without it. Whoever holds both can still relate them
through the hash: keep them under separate grants (``docs/protocol.md``).
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# One row per device and epoch; locked first in every transaction, so two hubs never work on one device at once.
devices = sa.Table(
    "devices",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("expected", sa.BigInteger, nullable=False, comment="greatest seq the device has spoken of"),
    sa.Column("settled", sa.BigInteger, nullable=False, comment="every seq up to here is stored or rejected"),
    sa.Column("high_water_seen", sa.BigInteger, nullable=False, comment="as the device's last hello said"),
    sa.Column("last_payload_sha256", sa.String(64), nullable=False),
    sa.Column("chain_breaks", sa.BigInteger, nullable=False),
    sa.Column("first_seen_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
    sa.Column("last_seen_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("received_at_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)

# No rowid on SQLite: rows lie in the order of their random ids, not in the order of arrival.
results = sa.Table(
    "results",
    metadata,
    sa.Column("record_id", sa.String(32), primary_key=True),
    sa.Column("period", sa.Integer, nullable=False),
    sa.Column("age_band", sa.String(16), nullable=False),
    sa.Column("sex", sa.String(16), nullable=False),
    sa.Column("tone_group", sa.String(16), nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("family", sa.String(32), nullable=False),
    sa.Column("phenotype", sa.String(32), nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("severity_band", sa.String(16), nullable=False),
    sa.Column("syndrome", sa.String(32), nullable=False),
    sa.Column("triage_final", sa.String(16), nullable=False),
    sa.Column("red_flag_ids", sa.JSON, nullable=False),
    sa.Column("abstain_reason", sa.JSON, nullable=False),
    sa.Column("bundle_release", sa.String(64), nullable=False),
    sa.Column("device_profile_class", sa.String(32), nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("condition", sa.String(48)),
    sa.Column("verifiability_percent", sa.Integer),
    sa.Column("visit_index_band", sa.String(8)),
    sa.Column("decisions", sa.JSON, nullable=False),
    sa.Column("quality_refusals", sa.JSON, nullable=False),
    sa.Column("region_code", sa.String(16), comment="set centrally, above 20,000 people; never by a device"),
    sqlite_with_rowid=False,
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("record_id", sa.String(32), primary_key=True),
    sa.Column("received_at_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)

conflicts = sa.Table(
    "conflicts",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("received_sha256", sa.String(64), primary_key=True),
    sa.Column("stored_sha256", sa.String(64), nullable=False),
    sa.Column("received_at_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)

# No body: what does not fit the schema may hold what must never be stored here.
rejected = sa.Table(
    "rejected",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.String(16), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("received_at_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)

# Payloads that could not be read at all, counted by reason: no row per sender, so garbage cannot fill the disk.
refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("reason", sa.String(32), primary_key=True),
    sa.Column("payloads", sa.BigInteger, nullable=False),
    sa.Column("last_at_s", sa.BigInteger, nullable=False, comment="UTC, seconds since 1970"),
)
