"""The numbers for Prometheus: as its own parser reads them, and without anything that identifies a person."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from edge_agent.supervision.metrics import Metrics

STATUS: dict[str, Any] = {
    "cases": {"stored": 1, "running": 0, "reported": 7, "failed": 0},
    "outbox": {"queued": 2, "sent": 1, "stored": 40, "rejected": 0, "quarantined": 0},
    "queued": 3,
    "hub_connected": True,
    "is_safe_mode": False,
    "sync_age_s": 12.5,
    "parts": {"web": {"restarts": 4, "is_degraded": False}, "camera": {"restarts": 9, "is_degraded": True}},
    "camera": {"state": "faulted"},
    "storage": "tight",
}


def _read(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_the_status_becomes_numbers() -> None:
    """Each figure stands under its name, at the moment of the scrape."""
    found = _read(Metrics(lambda: STATUS, store_bytes=lambda: 4096))
    assert found["derm_edge_cases", (("state", "reported"),)] == 7
    assert found["derm_edge_outbox_records", (("state", "stored"),)] == 40
    assert found["derm_edge_queue_length", ()] == 3
    assert found["derm_edge_hub_connected", ()] == 1
    assert found["derm_edge_part_restarts_total", (("part", "camera"),)] == 9
    assert found["derm_edge_part_degraded", (("part", "web"),)] == 0
    assert found["derm_edge_camera_state", (("state", "faulted"),)] == 1
    assert found["derm_edge_storage_stage", (("stage", "tight"),)] == 1
    assert found["derm_edge_sync_age_seconds", ()] == 12.5
    assert found["derm_edge_store_bytes", ()] == 4096


def test_what_is_not_known_is_left_out() -> None:
    """No camera, never synchronised, room not looked at, a store that cannot be read: no number stands in for them."""
    unknown = STATUS | {"camera": None, "sync_age_s": None, "storage": None}
    names = {name for name, _ in _read(Metrics(lambda: unknown, store_bytes=lambda: None))}
    assert not names & {
        "derm_edge_camera_state", "derm_edge_storage_stage", "derm_edge_sync_age_seconds", "derm_edge_store_bytes",
    }  # fmt: skip


def test_phases_and_refusals_are_counted() -> None:
    """Seconds in a histogram per phase, refusals per reason."""
    metrics = Metrics(lambda: STATUS, store_bytes=lambda: None, phases=("recognition",), reasons=("blur_focus",))
    metrics.observe_phase("recognition", 3.0)
    metrics.refused("blur_focus")
    found = _read(metrics)
    assert found["derm_edge_phase_seconds_bucket", (("le", "5.0"), ("phase", "recognition"))] == 1
    assert found["derm_edge_phase_seconds_bucket", (("le", "2.0"), ("phase", "recognition"))] == 0
    assert found["derm_edge_quality_refusals_total", (("reason", "blur_focus"),)] == 1


def test_no_text_of_a_person_becomes_a_label() -> None:
    """What is not on this program's lists is counted as other: a label can never carry a name."""
    metrics = Metrics(lambda: STATUS, store_bytes=lambda: None, phases=("rules",), reasons=("glare",))
    metrics.observe_phase("Zhang San", 1.0)
    metrics.refused("left cheek of Zhang San")
    text = metrics.text().decode()
    assert "Zhang" not in text
    assert 'reason="other"' in text
