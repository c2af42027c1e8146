"""``scripts/bench``: the engine beside its peers and beside what the machine can do."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calibration.reference.cli import stay_offline
from edge_agent.errors import EdgeError
from scripts.idle import add_idle
from scripts.speed.case import CaseRequest, measure_case
from scripts.speed.contenders import PEERS
from scripts.speed.doc import PICTURE, RESULTS, engine_section, replace_section
from scripts.speed.fit import fit, fitted_lines
from scripts.speed.growth import measure_growth, model_of, slope
from scripts.speed.plot import draw_growth
from scripts.speed.printing import print_case
from scripts.speed.shapes import NAMES
from scripts.speed.workload import load_workload

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Run one benchmark.

    Returns:
        0 when parity holds and all targets are met, 1 when not, the error's exit code when something could not run.
    """
    stay_offline()
    options = _parser().parse_args()
    try:
        return int(options.run(options))
    except EdgeError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code


def _case(options: argparse.Namespace) -> int:
    held = load_workload()
    request = CaseRequest(
        shape=options.shape,
        peers=options.peers.split(",") if options.peers else [],
        views=options.views or held.views,
        side_px=options.side or held.side_px,
        repeats=options.repeats,
        work=options.work,
        is_tokens_only=options.tokens_only,
        remark=options.remark,
    )
    unknown = sorted(set(request.peers) - set(PEERS))
    if unknown:
        print(f"error: no peer is called {unknown[0]}; there are {', '.join(PEERS)}", file=sys.stderr)
        return os.EX_USAGE
    result = measure_case(request, tell=_tell)
    print_case(result)
    path = options.out / f"case-{request.shape}-{request.views}x{request.side_px}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in result.records), encoding="utf-8")
    print(path)
    return 0 if result.is_good else 1


def _growth(options: argparse.Namespace) -> int:
    shapes = options.shapes.split(",")
    unknown = sorted(set(shapes) - set(NAMES))
    if unknown:
        print(f"error: no shape is called {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return os.EX_USAGE
    path = options.out / "growth.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [row for row in _kept(path) if row["shape"] not in (*shapes, "all")]
    for shape in shapes:
        kept += measure_growth(shape, options.work, repeats=options.repeats, tell=_tell)
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    measured = [row for row in kept if row["kind"] == "growth"]
    models = {shape: model_of(shape, options.work) for shape in {row["shape"] for row in measured}}
    fitted = fit(measured, models)
    kept = [row for row in kept if row["kind"] != "fit"] + [{"kind": "fit", "shape": "all", **asdict(fitted)}]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    print(fitted_lines(fitted))
    for shape in shapes:
        start, per_view, off = slope(kept, axis="views", shape=shape)
        print(f"{shape}: {start:.2f} s + {per_view:.2f} s per view, at most {100 * off:.0f} % off a straight line")
    print(path)
    return 0


def _kept(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _doc(options: argparse.Namespace) -> int:
    growth = [row for row in _kept(options.out / "growth.jsonl") if row["kind"] == "growth"]
    if growth:
        draw_growth(growth, DOCUMENT.parent / PICTURE)
    text = replace_section(DOCUMENT.read_text(encoding="utf-8"), engine_section(options.out))
    DOCUMENT.write_text(text, encoding="utf-8")
    print(DOCUMENT)
    return 0


def _tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    case = commands.add_parser("case", help="whole cases of three agents beside the peers")
    case.add_argument("--shape", choices=tuple(NAMES), default="0.6b")
    case.add_argument("--peers", default="genai", help=f"comma between: {', '.join(PEERS)} (default: genai)")
    case.add_argument("--views", type=int, help="pictures of a case (default: workload.toml)")
    case.add_argument("--side", type=int, choices=(448, 896), help="px of a square view (default: workload.toml)")
    case.add_argument("--repeats", type=int, default=5, help="runs of each contender after a warm-up (default: 5)")
    case.add_argument(
        "--tokens-only", action="store_true", help="no whole cases: tokens and prefills beside the limits"
    )
    case.add_argument("--remark", default="", help="words for the document, e.g. that the machine had other work")
    _common(case)
    case.set_defaults(run=_case)
    growth = commands.add_parser("growth", help="time and memory over views, pixels, length and shapes")
    growth.add_argument("--shapes", default=",".join(NAMES), help=f"comma between: {', '.join(NAMES)} (default: all)")
    growth.add_argument("--repeats", type=int, default=3, help="runs of each point (default: 3)")
    _common(growth)
    growth.set_defaults(run=_growth)
    add_idle(commands)
    document = commands.add_parser("doc", help="write docs/benchmarks.md's section and plot from the JSON lines")
    _common(document)
    document.set_defaults(run=_doc)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--work", type=Path, default=Path("work/bench"), help="kept checkpoints and bundles")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON lines")


if __name__ == "__main__":
    sys.exit(main())
