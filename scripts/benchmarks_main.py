"""Build the reference bundles, measure them and write docs/benchmarks.md.

Every finished part is kept as JSON in the work folder together with the digest of the model that it belongs to, so
that an interrupted run goes on and a retrained model is measured anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from calibration.build import BuildRequest, build
from calibration.recipe import load_recipe
from calibration.reference.ceiling import measure_ceiling
from calibration.reference.cli import Reporter, stay_offline
from calibration.reference.evaluate import MODES, cases_per_tone, draw_cases, evaluate_bundle
from calibration.reference.floors import require
from calibration.reference.pool import PoolCase, drawing_digest
from calibration.reference.scope_table import measure_scope
from calibration.sign import development_key
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS
from edge_agent.errors import EdgeError, QualityGateError
from scripts.benchmarks_doc import document
from scripts.benchmarks_speed import measure_speed
from scripts.recipes_main import RESULTS as RECIPES

PRECISIONS = ("fp32", "int8", "int4")
SHIPPED = ("int4", "own")  # what a device runs: measured on the most cases
SPEED_CASES = 40
PHOTOS = "DERM_REAL_PHOTOS"  # names the folder of the PAD-UFES-20 sample
SCALE = Path(__file__).resolve().parent / "scale"
PAPERS = frozenset({"README.md", "pccp.toml", "licences", "metrics.json"})  # of a model: no answer depends on them
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def main() -> int:
    """Measure what is missing and write the document.

    Returns:
        0, or the exit code of the error's class.
    """
    parser = argparse.ArgumentParser(prog="scripts/benchmarks", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/reference"), help="folder with base/ and adapters/")
    parser.add_argument("--work", type=Path, default=Path("work/benchmarks"), help="bundles and finished parts")
    parser.add_argument("--per-tone", type=int, default=500, help="cases per skin tone for INT4 with its own adapters")
    parser.add_argument("--others-per-tone", type=int, default=100, help="cases per skin tone for every other variant")
    parser.add_argument("--ceiling-pictures", type=int, default=8000, help="pictures that the plain CNN learns from")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    stay_offline()
    try:
        figures = Benchmarks(options.model, options.work, tell=Reporter()).measure(
            per_tone=options.per_tone,
            others_per_tone=options.others_per_tone,
            ceiling_pictures=options.ceiling_pictures,
        )
        options.out.write_text(document(figures), encoding="utf-8")
        print(options.out)
        require({SHIPPED[0]: figures["accuracy"][SHIPPED[0]]})
        require_scope(figures["scope"]["rows"])
    except EdgeError as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return exc.exit_code
    return 0


class Benchmarks:
    """Measure one model folder, keeping every finished part.

    Args:
        model: folder with ``base/`` and ``adapters/``.
        work: folder for bundles, drawn cases and finished parts.
        tell: told of every step worth showing.
    """

    def __init__(self, model: Path, work: Path, *, tell: Reporter) -> None:
        self._model, self._work, self._tell = model, work, tell
        work.mkdir(parents=True, exist_ok=True)
        self._digest = model_digest(model)

    def measure(self, *, per_tone: int, others_per_tone: int, ceiling_pictures: int) -> dict[str, Any]:
        """Return all figures as plain data, ready for ``benchmarks_doc.document``."""
        ceiling = self._kept(
            f"ceiling-{ceiling_pictures}",
            lambda: self._ceiling(ceiling_pictures),
            belongs_to=drawing_digest(),  # it says what the drawings show, whatever the model
        )
        bundles = {precision: self._bundle(precision) for precision in PRECISIONS}
        cases = draw_cases(self._work / "pool", per_tone=max(per_tone, others_per_tone), on_progress=self._tell)
        accuracy: dict[str, dict[str, Any]] = {}
        for precision, bundle in bundles.items():
            for mode in MODES:
                count = per_tone if (precision, mode) == SHIPPED else others_per_tone
                accuracy.setdefault(precision, {})[mode] = self._accuracy(bundle, mode, cases, per_tone=count)
        inside = [case for case in cases if case.in_scope][:SPEED_CASES]
        speed = {
            precision: self._kept(f"speed-{precision}", partial(measure_speed, bundle, inside, tell=self._tell))
            for precision, bundle in bundles.items()
        }
        photos = os.environ.get(PHOTOS)
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "model": self._digest[:12],
            "cpu_count": os.cpu_count(),
            "cpu_flags": _cpu_flags(),
            "ceiling": ceiling,
            "accuracy": accuracy,
            "scope": self._scope(bundles[SHIPPED[0]], Path(photos) if photos else None),
            "speed": speed,
            "sizes": {precision: sizes(bundle) for precision, bundle in bundles.items()},
            "recipes": json.loads(RECIPES.read_text(encoding="utf-8")) if RECIPES.is_file() else None,
            "scale": scale_results(),
        }

    def _kept(self, name: str, make: Callable[[], Any], *, belongs_to: str | None = None) -> Any:
        """Return a part's figures from the work folder, or make and keep them."""
        path = self._work / f"{name}.json"
        owner = belongs_to or self._digest
        if path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["belongs_to"] == owner:
                self._tell(name, 1, 1, "kept from an earlier run")
                return known["figures"]
        figures = make()
        text = json.dumps({"belongs_to": owner, "figures": figures}, indent=1) + "\n"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        return figures

    def _bundle(self, precision: str) -> Bundle:
        """Build a bundle, or take the one that was built from the same files before."""
        folder, note = self._work / precision, self._work / f"{precision}.source"
        is_fresh = folder.is_dir() and note.is_file() and note.read_text(encoding="utf-8") == self._digest
        if not is_fresh:
            request = BuildRequest(
                base=self._model / "base",
                adapters={agent: self._model / "adapters" / agent for agent in AGENTS},
                recipe=load_recipe(precision),
                out=folder,
                private_key=development_key(),
                replace=True,
            )
            build(request, announce=lambda line: self._tell(f"build {precision}", 0, 0, line))
            note.write_text(self._digest, encoding="utf-8")
        return open_bundle(folder, keys=load_keys(shipped_key_folder()))

    def _accuracy(self, bundle: Bundle, mode: str, cases: list[PoolCase], *, per_tone: int) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            chosen = cases_per_tone(cases, per_tone)
            return evaluate_bundle(bundle, chosen, modes=[mode], on_progress=self._tell)[mode]

        name = f"accuracy-{bundle.path.name}-{mode}-{per_tone}"
        return {"per_tone": per_tone, **self._kept(name, make, belongs_to=f"{self._digest} {drawing_digest()}")}

    def _scope(self, bundle: Bundle, photos: Path | None) -> dict[str, Any]:
        """Measure what is found and refused, with the photographs where there are any."""

        def make() -> list[dict[str, Any]]:
            return [row.as_data() for row in measure_scope(bundle, photos, on_progress=self._tell)]

        kind = "drawn" if photos is None else "photographs"
        rows = self._kept(f"scope-{bundle.path.name}-{kind}", make, belongs_to=f"{self._digest} {drawing_digest()}")
        return {"has_photographs": photos is not None, "rows": rows}

    def _ceiling(self, pictures: int) -> list[dict[str, Any]]:
        path = self._work / "ceiling-rows.json"
        measure_ceiling(pictures, max(100, pictures // 5), 8, out=path)
        return list(json.loads(path.read_text(encoding="utf-8")))


def require_scope(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a scope table that misses a floor.

    Raises:
        QualityGateError: names the lines.
    """
    missed = [row["name"].strip() for row in rows if row["is_met"] is False]
    if missed:
        raise QualityGateError(f"the scope misses {len(missed)} floors ({', '.join(missed)}); do not ship this model")


def sizes(bundle: Bundle) -> dict[str, int]:
    """Return bytes by part: the four model parts, the adapters together, and what is needed beside them."""
    out: dict[str, int] = {}
    for entry in bundle.manifest.files:
        part = entry.role.split(".")[0]
        name = {"adapter": "three adapters", "vision_embeddings": "vision", "vision_merger": "vision"}.get(part, part)
        out[name] = out.get(name, 0) + entry.size_bytes
    return out


def scale_results() -> list[dict[str, Any]]:
    """Return what ``scale_main`` measured, the largest shape last; the files lie beside this module."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in SCALE.glob("*.json")]
    return sorted(found, key=lambda figures: int(figures["bf16_bytes"]))


def model_digest(folder: Path) -> str:
    """Return the sha256 over names and bytes of everything below a model's folder that can change an answer."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if PAPERS & set(path.relative_to(folder).parts):
            continue
        digest.update(f"{path.relative_to(folder)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _cpu_flags() -> list[str]:
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [flag for flag in CPU_FLAGS if flag in words]


if __name__ == "__main__":
    sys.exit(main())
