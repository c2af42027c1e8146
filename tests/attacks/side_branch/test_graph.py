"""An IR that is not the declared branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from edge_agent.errors import EdgeError, Incompatible, RejectedError
from edge_agent.inference.side_branch import RT_INFO, split
from tests.simulators.bundles import BACKBONE_DIGEST, SignedFolder
from tests.simulators.side_branch import opened


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"base_digest": "c" * 64}, Incompatible, "side_branch.xml says base_digest = aaaa"),
        ({"precision": "int8"}, RejectedError, "distill_head.in_proj.weight is f32, declared is i8"),
        ({"layers": 3}, RejectedError, r"lacks the tensor distill_head.adapters.2.router_img.weight"),
        ({"experts": 3}, RejectedError, r"holds distill_head.adapters.0.experts.3.net.0, which is no part"),
        ({"embed_size": 64}, Incompatible, "vision_embed has width 48, the manifest needs 64"),
        ({"patch_features": 588}, Incompatible, "pixel_values has width 1176, the manifest needs 588"),
    ],
)
def test_ir_that_is_not_the_declared_one(
    graph: Path, bundle: SignedFolder, changed: dict[str, Any], error: type[EdgeError], match: str
) -> None:
    """Another backbone, precision, number of layers or experts, or size: file and tensor are named."""
    manifest = opened(bundle)
    spec = manifest.side_branch.model_copy(update=changed)
    with pytest.raises(error, match=match):
        split(ov.Core().read_model(graph), manifest=manifest, spec=spec, name="side_branch.xml")


def test_ir_of_nothing(bundle: SignedFolder) -> None:
    """A model that is no side branch at all, whatever it says about itself."""
    manifest = opened(bundle)
    x = ops.parameter([-1, 4], np.float32, name="x")
    model = ov.Model([ops.result(ops.relu(x))], [x], "other")
    with pytest.raises(Incompatible, match="says format = nothing"):
        split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")
    for key, value in (("format", "1"), ("structure", "skingpt_r1"), ("base_digest", BACKBONE_DIGEST)):
        model.set_rt_info(value, [RT_INFO, key])
    with pytest.raises(RejectedError, match=r"lacks the tensor distill_head.in_proj.weight"):
        split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")
