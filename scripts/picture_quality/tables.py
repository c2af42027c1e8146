"""Turn the counts of results/quality.json into the tables of docs/quality.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_agent.capture.quality.limits import released_limits
from scripts.picture_quality.evaluate import ORIGINAL, wilson

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results" / "quality.json"
PAGE = ROOT / "docs" / "quality.md"
TONES = tuple(f"tone {n}" for n in range(1, 6))
SETS = (("photographs, half `test`", ("test",)), ("photographs, half `tune`", ("tune",)), ("drawn, all tones", TONES))
BLURS = ("defocus", "movement")
TARGETS = (
    ("defocus", "strongly out of focus"),
    ("movement", "strongly moved"),
    ("dark", "too dark"),
    ("bright", "overexposed"),
)

Rows = Sequence[dict[str, Any]]


def read_results() -> dict[str, Any]:
    """Return the last run."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def blocks(results: dict[str, Any]) -> dict[str, str]:
    """Return the generated blocks of the page by name."""
    rows = results["rows"]
    return {
        "targets": targets_table(rows),
        "ways": ways_table(rows),
        "tones": tones_table(rows),
        "things": things_table(rows),
        "limits": limits_table(),
        "speed": speed_line(results),
    }


def targets_table(rows: Rows) -> str:
    """Return what was asked for beside what was measured, and beside two gates that never look."""
    out = [
        "| | asked | " + " | ".join(name for name, _ in SETS) + " | accept all | refuse all |",
        "|---|---:|" + "---:|" * (len(SETS) + 2),
        _target("sharp originals accepted", rows, _is_original, _accepted, constants=("100 %", "0 %")),
    ]
    for kind, name in TARGETS:
        out.append(_target(f"{name} copies refused", rows, _strong(kind), _refused, constants=("0 %", "100 %")))
    return "\n".join(out)


def _target(
    name: str,
    rows: Rows,
    wanted: Callable[[dict[str, Any]], bool],
    hits: Callable[[dict[str, Any]], int],
    *,
    constants: tuple[str, str],
) -> str:
    cells = []
    for _, groups in SETS:
        chosen = [row for row in rows if row["group"] in groups and wanted(row)]
        cells.append(_share(sum(map(hits, chosen)), sum(map(_n, chosen))))
    return f"| {name} | ≥ 95 % | {' | '.join(cells)} | {' | '.join(constants)} |"


def ways_table(rows: Rows) -> str:
    """Return for every way of spoiling what share is refused, and the share accepted without a warning."""
    names = [name for name, _ in SETS]
    out = [
        "| spoiled by | a person would | " + " | ".join(f"refused: {name}" for name in names) + " | named most often |"
    ]
    out.append("|---|---|" + "---:|" * len(names) + "---|")
    for way in dict.fromkeys(row["way"] for row in rows if row["way"] != "thing"):
        of_way = [row for row in rows if row["way"] == way and "soft" not in row["group"]]
        cells = []
        for _, groups in SETS:
            chosen = [row for row in of_way if row["group"] in groups]
            cells.append(_share(sum(map(_refused, chosen)), sum(map(_n, chosen))))
        out.append(f"| {way} | {_expected(of_way[0]['expect'])} | {' | '.join(cells)} | {_reasons(of_way)} |")
    return "\n".join(out)


def tones_table(rows: Rows) -> str:
    """Return acceptance of good pictures and refusal of strongly spoiled ones for each drawn tone."""
    out = [
        "| drawn skin | as taken, accepted | of these without a warning | "
        + " | ".join(name for _, name in TARGETS)
        + " |"
    ]
    out.append("|---|---:|---:|" + "---:|" * len(TARGETS))
    for tone in TONES:
        own = [row for row in rows if row["group"] == tone]
        taken = [row for row in own if _is_original(row)]
        cells = [_share(sum(map(_accepted, taken)), sum(map(_n, taken)))]
        cells.append(_share(sum(row["accepted"] for row in taken), sum(map(_n, taken))))
        for kind, _ in TARGETS:
            chosen = [row for row in own if _strong(kind)(row)]
            cells.append(_share(sum(map(_refused, chosen)), sum(map(_n, chosen))))
        out.append(f"| {tone} | {' | '.join(cells)} |")
    return "\n".join(out)


def things_table(rows: Rows) -> str:
    """Return what happens to pictures of things."""
    out = ["| drawn thing | refused | warned about | accepted | named most often |", "|---|---:|---:|---:|---|"]
    things = [row for row in rows if row["way"] == "thing"]
    out += [
        f"| {row['group']} | {row['refused']} | {row['warned']} | {row['accepted']} | {_reasons([row])} |"
        for row in things
    ]
    total = [sum(row[name] for row in things) for name in ("refused", "warned", "accepted")]
    out.append(f"| all | {_share(total[0], sum(total))} | {total[1]} | {total[2]} | |")
    return "\n".join(out)


def limits_table() -> str:
    """Return every limit with its source."""
    out = ["| limit | warns | refuses | set on |", "|---|---:|---:|---|"]
    for name, limit in released_limits():
        warn, refuse = ("" if value is None else f"{value:g}" for value in (limit.warn, limit.refuse))
        out.append(f"| `{name}` | {warn} | {refuse} | {limit.source} |")
    return "\n".join(out)


def speed_line(results: dict[str, Any]) -> str:
    """Return how long one frame takes."""
    speed = results["speed"]
    return (
        f"One frame of 1280 x 720 on one core of {results['computer']}: `judge` {speed['judge_median_ms']:.0f} ms"
        f" (95th percentile {speed['judge_p95_ms']:.0f}), `coach` {speed['coach_median_ms']:.0f} ms"
        f" ({speed['coach_p95_ms']:.0f}). Asked: less than 30 ms."
    )


def _is_original(row: dict[str, Any]) -> bool:
    return bool(row["way"] == ORIGINAL)


def _strong(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda row: row["kind"] == kind and row["expect"] == "refuse"


def _n(row: dict[str, Any]) -> int:
    return int(row["accepted"] + row["warned"] + row["refused"])


def _accepted(row: dict[str, Any]) -> int:
    return int(row["accepted"] + row["warned"])


def _refused(row: dict[str, Any]) -> int:
    return int(row["refused"])


def _expected(expect: str) -> str:
    return {"refuse": "refuse", "accept": "accept", "report": "hesitate"}[expect]


def _share(hits: int, n: int) -> str:
    if n == 0:
        return "not measured"
    low, high = wilson(hits, n)
    return f"{hits}/{n} = {100 * hits / n:.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def _reasons(rows: Rows) -> str:
    total: dict[str, int] = {}
    for row in rows:
        for reason, times in row["reasons"].items():
            total[reason] = total.get(reason, 0) + times
    best = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:2]
    return ", ".join(f"`{reason}`" for reason, _ in best)
