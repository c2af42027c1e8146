"""Numbers for a Prometheus scraper on the same computer: how much, how long, how often; never who.

Labels come from closed lists of this program (states, parts, phases, reasons): nothing that a person typed, no case id.
A registry of its own: the library's global one would add facts about the process that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from edge_agent.supervision.governor import Strain

PHASE_BUCKETS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Status = Mapping[str, Any]


class Metrics:
    """Count what happens and tell it, together with the daemon's status at that moment, in Prometheus' text format.

    Args:
        tell_status: returns the daemon's status (``Daemon.status``).
        store_bytes: returns how large the store is; None: it cannot be read now.
        phases: every phase of a case that may be counted.
        reasons: every reason for which a picture may be refused.
    """

    def __init__(
        self,
        tell_status: Callable[[], Status],
        *,
        store_bytes: Callable[[], int | None],
        phases: Iterable[str] = (),
        reasons: Iterable[str] = (),
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._phases = frozenset(phases)
        self._reasons = frozenset(reasons)
        self._seconds = Histogram(
            "derm_edge_phase_seconds",
            "Seconds of one phase of a case.",
            ["phase"],
            buckets=PHASE_BUCKETS_S,
            registry=self._registry,
        )
        self._refusals = Counter(
            "derm_edge_quality_refusals", "Pictures refused, by reason.", ["reason"], registry=self._registry
        )
        self._registry.register(_StatusCollector(tell_status, store_bytes))

    def observe_phase(self, phase: str, seconds: float) -> None:
        """Count the seconds of one phase; one that is not known counts as ``other``."""
        self._seconds.labels(phase if phase in self._phases else "other").observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a refused picture; a reason that is not known counts as ``other``."""
        self._refusals.labels(reason if reason in self._reasons else "other").inc()

    def text(self) -> bytes:
        """Return everything in the text format; its type is ``CONTENT_TYPE``."""
        return generate_latest(self._registry)


class _StatusCollector:
    """Turn the daemon's status into gauges at the moment of the scrape."""

    def __init__(self, tell_status: Callable[[], Status], store_bytes: Callable[[], int | None]) -> None:
        self._tell_status = tell_status
        self._store_bytes = store_bytes

    def describe(self) -> list[Metric]:
        """Return nothing: the names are known at the scrape, and registering must not read the store."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Give the gauges."""
        status = self._tell_status()
        yield _labelled("derm_edge_cases", "Cases by state, without test cases.", "state", status["cases"])
        yield _labelled("derm_edge_outbox_records", "Records for the hub by state.", "state", status["outbox"])
        yield _gauge("derm_edge_queue_length", "Cases that wait for the agents.", status["queued"])
        yield _gauge("derm_edge_hub_connected", "Whether the hub has answered.", status["hub_connected"])
        if (sending := status.get("sending")) is not None:
            yield _gauge("derm_edge_sending_open", "Whether results may leave now.", sending["is_open"])
        yield _gauge("derm_edge_safe_mode", "Whether the configuration is broken.", status["is_safe_mode"])
        parts = status["parts"]
        yield _restarts({name: one["restarts"] for name, one in parts.items()})
        degraded = {name: one["is_degraded"] for name, one in parts.items()}
        yield _labelled("derm_edge_part_degraded", "Parts that were lost too often.", "part", degraded)
        if status.get("sync_age_s") is not None:
            yield _gauge("derm_edge_sync_age_seconds", "Since the hub last had everything.", status["sync_age_s"])
        if (camera := status.get("camera")) is not None:
            yield _labelled("derm_edge_camera_state", "The camera's present state.", "state", {camera["state"]: 1})
        if (stage := status.get("storage")) is not None:
            yield _labelled("derm_edge_storage_stage", "How much room is left.", "stage", {stage: 1})
        if (power := status.get("power")) is not None:
            yield from _power(power)
        if (size := self._store_bytes()) is not None:
            yield _gauge("derm_edge_store_bytes", "Bytes of the encrypted store.", size)


def _power(power: Mapping[str, Any]) -> Iterable[Metric]:
    held = {str(strain): float(strain in power["holds"]) for strain in Strain}
    yield _labelled("derm_edge_cases_held", "Whether new cases wait for this reason.", "reason", held)
    if power["hottest_c"] is not None:
        yield _gauge("derm_edge_temperature_celsius", "The hottest thermal zone.", power["hottest_c"])
    if power["battery_percent"] is not None:
        yield _gauge("derm_edge_battery_percent", "Charge of the battery.", power["battery_percent"])


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=float(value))


def _labelled(name: str, words: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family


def _restarts(values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily("derm_edge_part_restarts", "Losses of each part since the start.", labels=["part"])
    for name, count in values.items():
        family.add_metric([name], float(count))
    return family
