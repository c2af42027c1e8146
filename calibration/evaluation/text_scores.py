"""Score Chinese text against a reference: BLEU-4 and ROUGE-L, each with its variant in its name.

A score without its variant means nothing: on identical Chinese text sacrebleu's default tokenizer (``13a``) gives 0 for
short sentences and rouge-score's default gives 0 always, since both look for words between blanks. Does not judge
meaning; the papers report these figures, so they are computed the same way twice.

Sources: Papineni et al., ACL 2002 (BLEU). Chen & Cherry, WMT 2014 (smoothing 3 is NIST geometric). Lin, ACL 2004
(ROUGE-L, F with beta 1). Post, WMT 2018 (sacrebleu).
"""

from __future__ import annotations

import functools
import logging
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

CORPUS_BLEU = "bleu4_corpus_zh"
SENTENCE_BLEU = "bleu4_sentence_char_smooth3"
ROUGE_CHAR = "rouge_l_f_char"
ROUGE_JIEBA = "rouge_l_f_jieba"
SENTENCE_SCORES = (SENTENCE_BLEU, ROUGE_CHAR, ROUGE_JIEBA)
_ORDER = 4


def corpus_bleu_zh(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return sacrebleu's corpus BLEU-4 with the tokenizer ``zh`` (0..1); one reference per candidate.

    Raises:
        RuntimeError: the lists differ in length or are empty (a programmer's mistake).
    """
    from sacrebleu.metrics.bleu import BLEU

    if not candidates or len(candidates) != len(references):
        raise RuntimeError("corpus BLEU needs as many candidates as references, and at least one")
    scorer = BLEU(tokenize="zh", max_ngram_order=_ORDER)
    return float(scorer.corpus_score(list(candidates), [list(references)]).score) / 100


def sentence_scores(candidate: str, reference: str) -> dict[str, float]:
    """Return the three scores of one text (0..1 each), by name; 0 where the candidate is empty."""
    return {
        SENTENCE_BLEU: sentence_bleu_char(candidate, reference),
        ROUGE_CHAR: rouge_l_char(candidate, reference),
        ROUGE_JIEBA: rouge_l_jieba(candidate, reference),
    }


def sentence_bleu_char(candidate: str, reference: str) -> float:
    """Return BLEU-4 of one text on its characters with smoothing 3 (0..1).

    A text of fewer than four characters is scored by as many n-grams as it has (nltk's ``auto_reweigh``), so that a
    short identical text is 1 too.
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    found, wanted = characters(candidate), characters(reference)
    if not found or not wanted:
        return 0.0
    smooth = SmoothingFunction().method3
    return float(sentence_bleu([wanted], found, smoothing_function=smooth, auto_reweigh=True))


def rouge_l_char(candidate: str, reference: str) -> float:
    """Return ROUGE-L's F measure on characters (0..1)."""
    return _rouge_l(candidate, reference, split=characters)


def rouge_l_jieba(candidate: str, reference: str) -> float:
    """Return ROUGE-L's F measure on the words that jieba finds (0..1)."""
    return _rouge_l(candidate, reference, split=words)


def characters(text: str) -> list[str]:
    """Return the characters of a text without white space."""
    return [sign for sign in text if not sign.isspace()]


def words(text: str) -> list[str]:
    """Return jieba's words of a text without white space (its dictionary, no hidden Markov model for unknown words)."""
    return [word for word in _segmenter().lcut(text, HMM=False) if not word.isspace()]


class _Split:
    """What rouge-score calls a tokenizer."""

    def __init__(self, split: Callable[[str], list[str]]) -> None:
        self._split = split

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens."""
        return self._split(text)


def _rouge_l(candidate: str, reference: str, *, split: Callable[[str], list[str]]) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Split(split))
    return float(scorer.score(reference, candidate)["rougeL"].fmeasure)


@functools.cache
def _segmenter() -> Any:
    """Return jieba's segmenter; its cache goes to a folder of our own, since it would load one from /tmp unchecked."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    segmenter = jieba.Tokenizer()
    with tempfile.TemporaryDirectory(prefix="derm-jieba-") as folder:
        segmenter.tmp_dir = folder
        segmenter.initialize()
    return segmenter
