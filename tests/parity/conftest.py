"""Session fixtures: one random model, exported once, and bundles of it in several precisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from edge_agent.contracts.bundle import Bundle
from tests.parity.toy_model import ToyModel, make_bundle, make_toy_model

BundleOf = Callable[[str, str], Bundle]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyModel:
    """A random model with three adapters, and its FP32 IRs."""
    return make_toy_model(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def torch_model(toy: ToyModel) -> Any:
    """The same model in PyTorch + PEFT, FP32."""
    return toy.torch_model()


@pytest.fixture(scope="session")
def bundle_of(toy: ToyModel, tmp_path_factory: pytest.TempPathFactory) -> BundleOf:
    """Return ``(backbone, adapters) -> Bundle``, each built once."""
    built: dict[tuple[str, str], Bundle] = {}
    folder: Path = tmp_path_factory.mktemp("bundles")

    def get(backbone: str, adapters: str) -> Bundle:
        key = (backbone, adapters)
        if key not in built:
            built[key] = make_bundle(toy, folder / f"{backbone}-{adapters}", backbone=backbone, adapters=adapters)
        return built[key]

    return get
