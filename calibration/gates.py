"""Judge a finished bundle with the device's own engine before anybody may sign it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calibration.recipe import Recipe
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import InferenceError, QualityGateError, RejectedError

if TYPE_CHECKING:
    from edge_agent.inference.engine import Engine


def check_gates(folder: Path, *, manifest: Manifest, recipe: Recipe) -> str:
    """Load the bundle as a device does, replay its canary strictly and its golden cases in production settings.

    Where its agents write text, the text coder is judged too: the lexicon, and the second turn if it declares one.

    Args:
        folder: the bundle, complete but for its signature.
        manifest: its manifest.
        recipe: names the bounds in the message; those of canary and golden cases stand in the manifest, those of the
            second turn are taken from here.

    Returns:
        One line with the figures, for the screen.

    Raises:
        QualityGateError: a gate failed; says which and by how much.
    """
    from edge_agent.inference.engine import Engine, EngineSettings

    coder = _check_coder(manifest)
    bundle = Bundle(path=folder, manifest=manifest, signed_by="nobody yet")
    try:
        with Engine(bundle, settings=EngineSettings(strict=True)) as engine:
            strict = engine.run_canary()
        if strict.failures():
            raise QualityGateError(f"canary, recipe {recipe.name}: {strict.failures()[0]}; use a gentler recipe")
        with Engine(bundle, settings=EngineSettings()) as engine:
            production = engine.run_canary()
            if production.failures():
                raise QualityGateError(f"recipe {recipe.name}: {production.failures()[0]}; use a gentler recipe")
            coder += _check_second_turn(engine, manifest, recipe)
    except (InferenceError, RejectedError) as exc:
        raise QualityGateError(f"the device's engine refuses the bundle: {exc}") from exc
    equal, total = production.golden_equal, production.golden_total
    worst, least = max(row.max_abs for row in strict.rows), min(row.argmax for row in strict.rows)
    bounds = manifest.canary.bounds
    return (
        f"canary: largest logit difference {worst:.2g} (bound {bounds.strict_max_abs}), argmax agrees {least:.3f} "
        f"(bound {bounds.strict_min_argmax}); golden decisions equal: {equal} of {total}{coder}"
    )


def _check_coder(manifest: Manifest) -> str:
    """Measure the device's text coder where the bundle's agents write free text; the line to add, empty elsewhere.

    Raises:
        QualityGateError: the coder misses a floor.
    """
    if not _has_texts(manifest):
        return ""
    from calibration.coder_gate import check_coder
    from edge_agent.agents.text.coder import TextCoder
    from edge_agent.agents.text.lexicon import Lexicon
    from edge_agent.contracts.terms import Vocabulary

    vocabulary = Vocabulary.load()
    figures = check_coder(TextCoder(vocabulary, Lexicon.load(vocabulary)), vocabulary)
    worst = min(figures.standard.values(), key=lambda one: one.right)
    return f"; text coder: worst field {worst.right:.3f} right (constant {worst.constant:.3f})"


def _check_second_turn(engine: Engine, manifest: Manifest, recipe: Recipe) -> str:
    """Ask the second turn, where the bundle declares one, on the open engine; the line to add, empty elsewhere.

    Raises:
        QualityGateError: it misreads texts, or fills what they do not tell.
        InferenceError: the engine failed.
    """
    if manifest.coder is None or not _has_texts(manifest):
        return ""
    from calibration.second_turn_gate import check_second_turn

    return f"; {check_second_turn(engine, manifest, bounds=recipe.gates).line()}"


def _has_texts(manifest: Manifest) -> bool:
    from edge_agent.agents.text.reader import writes_text

    return any(writes_text(agent) for agent in manifest.agents.values())
