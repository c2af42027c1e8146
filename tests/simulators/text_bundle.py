"""A DERM-3R-like bundle: three agents that write free Chinese text and hand it over as text; every word is invented."""

from __future__ import annotations

from typing import Any

from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.text_contract import TextScope
from tests.simulators.cases import manifest

SYSTEM = "<|im_start|>system\n你是皮肤科中医师。<|im_end|>\n<|im_start|>user\n"
ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = {
    "describe": SYSTEM + "{images}请描述这张皮损图像。" + ANSWER,
    "integrate": SYSTEM + "{images}各图描述如下:\n{recognition_text}\n请综合描述皮损。" + ANSWER,
    "pathogenesis": "<|im_end|>\n<|im_start|>user\n请据此分析病机。" + ANSWER,
    "assess": SYSTEM + "综合描述与病机:\n{representation_text}\n四诊:\n{intake_zh}\n请辨证论治。" + ANSWER,
}
GENERATION = {"max_tokens": 256, "temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.05, "stop": ["</s>"]}
# Invented figures: what a team would have to show before a text may open a case.
TEXT_SCOPE = TextScope(
    split="invented", danger_cases=120, danger_read_as_ours=0, in_scope_cases=200, in_scope_found=180
)
PLAQUE_TEXT = "皮损为鲜红色斑块,表面覆银白色鳞屑,边界清楚,散在分布。未见水疱、脓疱及糜烂。"
MOLE_TEXT = "可见一处黑褐色斑,边界不规则,颜色不均,考虑色素痣,不除外黑色素瘤。"
VAGUE_TEXT = "图中所见如常人之肤,稍有变化。"
INTEGRATED_TEXT = "皮损对称分布于四肢伸侧,为寻常型斑块状银屑病,进行期。"
PATHOGENESIS_TEXT = "病机:血热内蕴,发于肌肤。"
ASSESSMENT_TEXT = "诊断:寻常型银屑病。\n辨证:血热证。\n治法:清热凉血。\n方用犀角地黄汤。\n处方:生地黄30克,赤芍15克。"


def step(name: str, **generation: Any) -> dict[str, Any]:
    """Return one declared text step."""
    return {"name": name, "prompt": PROMPTS[name], "contract": "text", "generation": {**GENERATION, **generation}}


def text_agents(**generation: Any) -> dict[str, Any]:
    """Return the three agents as ``derm_edge.json`` declares them; keyword arguments change the generation settings."""
    return {
        "recognition": {
            "adapter": "recognition",
            "inputs": {"images": "one"},
            "steps": [step("describe", **generation)],
        },
        "representation": {
            "adapter": "representation",
            "inputs": {"images": "all", "text": ["recognition_text"], "view_text": "图{n}:{text}"},
            "steps": [step("integrate", **generation), step("pathogenesis", **generation)],
        },
        "reasoning": {
            "adapter": "reasoning",
            "inputs": {"images": "none", "text": ["representation_text", "intake_zh"]},
            "steps": [step("assess", **generation)],
        },
    }


def text_manifest(*, text_scope: TextScope | None = TEXT_SCOPE, **changes: Any) -> Manifest:
    """Return the manifest of such a bundle; it has no files.

    Args:
        text_scope: None is a bundle that nobody has tested on danger pictures.
        changes: other parts of the manifest, e.g. ``coder``.
    """
    bare = manifest().model_dump()
    rendered = {"rendered_prompt": {"text": "", "token_ids": []}}
    bare["agents"] = {name: {**agent, **rendered} for name, agent in text_agents().items()}
    bare["thresholds"] |= {"text_scope": None if text_scope is None else text_scope.model_dump(), "fields": {}}
    return Manifest.model_validate({**bare, **changes})
