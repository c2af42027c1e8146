"""Write Chinese texts with known labels, to measure the device's coder: what an agent might have written, and what it means.

Labels are drawn, half of the texts tell many fields together as the reference cases have them, half tell one value of one
field, so that rare values count. Sentence frames, order, denials and distractors vary. The *standard* wordings are the vocabulary's own labels, which
any lexicon of it must know; the *held-out* ones are paraphrases that no lexicon row may copy (a test compares them): they
show what the coder does with words it has never seen. The same people wrote lexicon and texts, so neither says how well
real checkpoints' texts are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from calibration.reference.cases import text_case
from calibration.reference.labels import view_labels
from edge_agent.agents.abstention import LISTS, is_nothing
from edge_agent.contracts.manifest import AgentName
from edge_agent.contracts.terms import Vocabulary

TOLD_SHARE = 0.8  # of the fields, per text; the others stay silent
_FRAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "family": ("总体属{}改变", "按类型归入{}一类"),
        "primary_lesion": ("原发损害见{}", "所见以{}为主"),
        "secondary_change": ("继发{}", "另有{}"),
        "colour": ("颜色{}", "色泽{}"),
        "scale_type": ("鳞屑{}", "鳞屑的性质为{}"),
        "border": ("{}", "边缘情况:{}"),
        "shape": ("形如{}", "外形{}"),
        "arrangement": ("排布{}", "{}而生"),
        "special": ("并有{}", "特别可见{}"),
        "distribution": ("好发于{}", "分布情况:{}"),
        "symmetry": ("左右{}", "两侧{}"),
        "phenotype": ("临床上为{}银屑病", "归为{}银屑病"),
        "stage": ("目前在{}", "正值{}"),
        "mechanism": ("总由{}所致", "机理在于{}"),
        "location": ("病在{}", "累及{}"),
        "trend": ("{}", "总的来看{}"),
        "syndrome": ("辨为{}", "当属{}"),
        "principle": ("宜{}", "以{}为法"),
        "formula": ("拟{}加减", "予{}"),
    }
)
# Labels that are no words of a running text: graded fields and shares have no label, "none" is a denial.
_OWN: Mapping[tuple[str, Any], str] = MappingProxyType(
    {
        **{("scale_amount", n): f"鳞屑{n}分" for n in range(5)},
        **{("erythema", n): f"红斑{n}分" for n in range(5)},
        **{("induration", n): f"浸润{n}分" for n in range(5)},
        ("scale_type", "none"): "无鳞屑",
        ("family", "hypopigmented"): "总体属色素减退性改变",
        ("family", "burrow_papular"): "可见隧道",
        ("border", "irregular"): "边界不规则",
        ("shape", "round_oval"): "外形类圆形",
        ("shape", "irregular"): "形状不规则",
        ("arrangement", "linear"): "呈线状排列",
        ("special", "asymmetry"): "皮损不对称",
        ("distribution", "nail"): "好发于指甲",
        ("distribution", "flexural"): "好发于皱褶部",
        ("phenotype", "not_psoriasis_like"): "整体不似银屑病",
        ("mechanism", "blood_dryness_wind"): "总由血虚生风所致",
        ("mechanism", "insufficient_information"): "资料不足",
        ("applicability", "lesion_visible"): "图中可见皮损",
        ("applicability", "normal_skin"): "图中为正常皮肤",
        ("applicability", "pigment_change_only"): "图中仅遗留色素改变",
        ("applicability", "not_skin"): "图中内容非皮肤",
        ("count_in_view", "one"): "皮损一个",
        ("count_in_view", "two_to_five"): "共3个皮损",
        ("count_in_view", "six_to_twenty"): "共12个皮损",
        ("count_in_view", "more_than_twenty"): "共40个皮损",
        ("surface_share", "lt_10"): "占画面皮肤约5%",
        ("surface_share", "10_29"): "占画面皮肤约20%",
        ("surface_share", "30_49"): "占画面皮肤约40%",
        ("surface_share", "50_69"): "占画面皮肤约60%",
        ("surface_share", "70_89"): "占画面皮肤约80%",
        ("surface_share", "ge_90"): "占画面皮肤约95%",
    }
)
HELD_OUT: Mapping[tuple[str, Any], str] = MappingProxyType(
    {
        ("colour", "bright_red"): "红得像熟透的樱桃", ("colour", "dark_red"): "红而发沉", ("colour", "pale_red"): "红得很浅",
        ("colour", "violaceous"): "红里透紫", ("colour", "grey_brown"): "灰中带棕", ("colour", "brown"): "如咖啡",
        ("border", "well_defined"): "与周围皮肤分界一目了然", ("border", "ill_defined"): "与周围皮肤渐渐过渡",
        ("scale_type", "silvery_lamellar"): "银亮的薄片层层叠起", ("scale_type", "fine_branny"): "屑细如糠",
        ("scale_type", "thick_adherent"): "屑厚而不易剥落", ("shape", "guttate"): "状若雨滴",
        ("shape", "nummular"): "大小如铜钱", ("shape", "geographic"): "轮廓曲折如版图", ("shape", "annular"): "围成一圈",
        ("arrangement", "single"): "只此一处", ("arrangement", "scattered"): "东一处西一处",
        ("arrangement", "grouped"): "三五聚在一起", ("arrangement", "confluent"): "彼此连成一片",
        ("primary_lesion", "plaque"): "高出皮面的片状损害", ("primary_lesion", "papule"): "针头大的小疙瘩",
        ("secondary_change", "fissure"): "皮面裂开", ("secondary_change", "oozing"): "表面有水往外冒",
        ("distribution", "extensor"): "肘后与膝前", ("distribution", "flexural"): "腋下、腹股沟等褶缝处",
        ("symmetry", "symmetric"): "左右两边一样", ("stage", "progressive"): "还在不断新发",
        ("stage", "regressing"): "正在慢慢退去", ("mechanism", "blood_heat_internal"): "血中伏热",
        ("mechanism", "blood_stasis"): "血行不畅", ("syndrome", "blood_heat"): "热在血中",
        ("syndrome", "blood_stasis"): "血脉不通", ("principle", "clear_heat_cool_blood"): "凉其血、清其热",
    }
)  # fmt: skip
DISTRACTORS = (
    "拍摄光线尚可", "自述瘙痒", "周围皮肤正常", "背景为蓝色治疗巾", "图片清晰度一般", "建议结合病史", "图中有标尺",
    "毛发分布如常",
)  # fmt: skip
_DENIALS = ("未见{}", "无{}", "{}均未见", "没有{}")
_DENIABLE = ("水疱", "脓疱", "溃疡", "糜烂", "紫癜", "大疱", "结节", "肿物")
# What must close a case however it is put: sure, doubtful or beside words of psoriasis.
_DANGERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bullous": ("大疱", "张力性水疱"), "pustular": ("脓疱",), "purpuric": ("紫癜", "瘀斑"),
        "pigmented_lesion": ("色素痣", "黑色素瘤"), "nodule_tumour": ("结节", "肿物", "基底细胞癌"),
        "ulcer_erosion": ("溃疡", "糜烂"),
    }
)  # fmt: skip
DANGER_FRAMES = (
    "可见{}", "中央有一{}", "不除外{}", "疑为{}", "{}?", "需排除{}", "红斑鳞屑性皮损上见{}", "无明显诱因出现{}",
    "边缘不整、无光泽的{}", "未见明显鳞屑,可见{}", "并非没有{}", "银白色鳞屑明显,其旁为无痛性{}", "无渗液{}", "无发热之{}",
    "未见愈合{}", "无好转的{}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text; ``labels`` are the fields that it tells, ``silent`` those it says nothing about."""

    agent: AgentName
    step: int
    text: str
    labels: Mapping[str, Any]
    silent: tuple[str, ...]
    is_held_out: bool


def labelled_texts(vocabulary: Vocabulary, count: int, *, seed: int, is_held_out: bool) -> Iterator[LabelledText]:
    """Write texts of the three agents in turn.

    Args:
        vocabulary: the values and their labels.
        count: how many.
        seed: of everything that varies.
        is_held_out: word what can be worded so by a paraphrase, and tell nothing else.
    """
    writer = _Writer(vocabulary, Random(f"coder texts {seed} {is_held_out}"), is_held_out=is_held_out)
    for index in range(count):
        yield writer.write(index)


def danger_texts(seed: int) -> Iterator[tuple[str, str]]:
    """Yield (family, text) for every danger word in every frame, with ordinary words around it."""
    rng = Random(f"danger texts {seed}")
    for family, words in _DANGERS.items():
        for word in words:
            for frame in DANGER_FRAMES:
                parts = ["皮损为鲜红色斑块,覆银白色鳞屑,边界清楚", frame.format(word), rng.choice(DISTRACTORS)]
                rng.shuffle(parts)
                yield family, "。".join(parts) + "。"


# Fields whose words other fields' words hold or bring along; a text that tells one is not silent about these.
_BRINGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "family": frozenset({"primary_lesion", "secondary_change", "scale_type", "scale_amount", "special"}),
        "primary_lesion": frozenset({"special"}),
        "secondary_change": frozenset({"scale_type", "scale_amount"}),
        "scale_type": frozenset({"secondary_change", "scale_amount"}),
        "scale_amount": frozenset({"secondary_change", "scale_type"}),
        "special": frozenset({"primary_lesion", "distribution"}),
        "arrangement": frozenset({"count_in_view"}),
        "phenotype": frozenset({"distribution"}),
        "mechanism": frozenset({"location"}),
    }
)
_PARTS: tuple[tuple[AgentName, int, tuple[str, ...]], ...] = (
    ("recognition", 0, ()),
    ("representation", 0, ("distribution", "symmetry", "phenotype", "stage")),
    ("representation", 1, ("mechanism", "location")),
    ("reasoning", 0, ("trend", "syndrome", "principle", "formula")),
)


def denied_texts(seed: int, count: int) -> Iterator[str]:
    """Yield texts of ours that deny two danger words, and name none."""
    rng = Random(f"denied texts {seed}")
    for _ in range(count):
        denial = rng.choice(_DENIALS).format(rng.choice("、及和").join(rng.sample(_DENIABLE, 2)))
        parts = ["皮损为鲜红色斑块,覆银白色鳞屑,边界清楚", denial, rng.choice(DISTRACTORS)]
        rng.shuffle(parts)
        yield "。".join(parts) + "。"


class _Writer:
    """Write texts one after the other; together drawn labels at even places, one field's value alone at odd ones."""

    def __init__(self, vocabulary: Vocabulary, rng: Random, *, is_held_out: bool) -> None:
        self._vocabulary, self._rng, self._is_held_out = vocabulary, rng, is_held_out
        self._lists = {
            found.model.key: found
            for found in vocabulary.lists.values()
            if found.model is not None and found.model.max_characters is None
        }
        seen = tuple(name for name, found in self._lists.items() if found.model and found.model.agent == "recognition")
        self._parts = tuple((agent, step, fields or seen) for agent, step, fields in _PARTS)
        self._single = [
            (agent, step, fields, name, value)
            for agent, step, fields in self._parts
            for name in fields
            for value in self._values(name)
            if self._words(name, value) is not None
        ]
        self._rng.shuffle(self._single)

    def write(self, index: int) -> LabelledText:
        """Write the text with this number."""
        if index % 2:
            agent, step, fields, name, value = self._single[index // 2 % len(self._single)]
            told = {name: value}
        else:
            agent, step, fields = self._parts[index // 2 % len(self._parts)]
            drawn = self._drawn_together(index // 2, fields)
            told = {name: value for name, value in drawn.items() if self._rng.random() < TOLD_SHARE}
        worded = {name: words for name, value in told.items() if (words := self._words(name, value)) is not None}
        brought = {one for name in worded for one in _BRINGS.get(name, ())}
        silent = tuple(one for one in fields if one not in {*worded, *brought, "applicability", "family"})
        labels = {name: told[name] for name in worded}
        return LabelledText(agent, step, self._text(worded, agent=agent), labels, silent, self._is_held_out)

    def _text(self, worded: Mapping[str, str], *, agent: AgentName) -> str:
        """Put sentences together in any order, with a distractor, and a denial where nothing denied was told."""
        parts = [*worded.values(), self._rng.choice(DISTRACTORS)]
        self._rng.shuffle(parts)
        text = self._rng.choice(("。", ";")).join(parts) + "。"
        if agent == "recognition" and not {"family", "primary_lesion", "special"} & set(worded):
            text += self._rng.choice(_DENIALS).format("、".join(self._rng.sample(_DENIABLE, 2))) + "。"
        return text

    def _drawn_together(self, index: int, fields: Sequence[str]) -> dict[str, Any]:
        case = text_case("test", index)
        count = 1 if case.signs.arrangement == "single" else self._rng.randint(2, 30)
        seen = view_labels(case.signs, "close_up", count=count, share=self._rng.random())
        labels: dict[str, Any] = {**seen, **case.representation, **case.reasoning}
        rows = {name: labels[name] for name in fields if name in labels}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in rows.items()}

    def _values(self, name: str) -> list[Any]:
        found = self._lists[name]
        grades = found.model.grades if found.model is not None else None
        values: list[Any] = list(found.terms) if grades is None else list(range(grades[0], grades[1] + 1))
        return [[value] if name in LISTS else value for value in values]

    def _words(self, name: str, value: Any) -> str | None:
        """Return the words for a value; None where it says nothing or has no wording here."""
        items = value if isinstance(value, list) else [value]
        if is_nothing(value) or value == "other":
            return None
        if self._is_held_out:
            told = [HELD_OUT.get((name, item)) for item in items]
            return None if None in told else "、".join(str(one) for one in told)
        own = [_OWN.get((name, item)) for item in items]
        if None not in own:
            return "、".join(str(one) for one in own)
        if name not in _FRAMES or "none" in items:
            return None
        labels = "、".join(_plain(self._vocabulary.label(str(item), "zh", of=self._lists[name].name)) for item in items)
        return self._rng.choice(_FRAMES[name]).format(labels)


def _plain(label: str) -> str:
    """Return a label as one would write it: the first of several wordings, without what stands in brackets."""
    return label.split("/", maxsplit=1)[0].split("(", maxsplit=1)[0]
