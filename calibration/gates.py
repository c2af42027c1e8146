"""Judge a finished bundle with the device's own engine before anybody may sign it."""

from __future__ import annotations

from pathlib import Path

from calibration.recipe import Recipe
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import InferenceError, QualityGateError, RejectedError


def check_gates(folder: Path, *, manifest: Manifest, recipe: Recipe) -> str:
    """Load the bundle as a device does, replay its canary strictly and its golden cases in production settings.

    Args:
        folder: the bundle, complete but for its signature.
        manifest: its manifest.
        recipe: names the bounds in the message; the bounds themselves stand in the manifest.

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
        with Engine(bundle, settings=EngineSettings()) as engine:
            production = engine.run_canary()
    except (InferenceError, RejectedError) as exc:
        raise QualityGateError(f"the device's engine refuses the bundle: {exc}") from exc
    if strict.failures():
        raise QualityGateError(f"canary, recipe {recipe.name}: {strict.failures()[0]}; use a gentler recipe")
    if production.failures():
        raise QualityGateError(f"recipe {recipe.name}: {production.failures()[0]}; use a gentler recipe")
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
    if all(step.contract == "schema" for agent in manifest.agents.values() for step in agent.steps):
        return ""
    from calibration.coder_gate import check_coder
    from edge_agent.agents.text.coder import TextCoder
    from edge_agent.agents.text.lexicon import Lexicon
    from edge_agent.contracts.terms import Vocabulary

    vocabulary = Vocabulary.load()
    figures = check_coder(TextCoder(vocabulary, Lexicon.load(vocabulary)), vocabulary)
    worst = min(figures.standard.values(), key=lambda one: one.right)
    return f"; text coder: worst field {worst.right:.3f} right (constant {worst.constant:.3f})"
