"""BLEU and ROUGE on Chinese text: the named variants are 1 on identical text, and the defaults that are not are shown."""

from __future__ import annotations

import pytest

pytest.importorskip("sacrebleu")
pytest.importorskip("rouge_score")
pytest.importorskip("jieba")
pytest.importorskip("nltk")

from calibration.evaluation.text_scores import (
    corpus_bleu_zh,
    rouge_l_char,
    rouge_l_jieba,
    sentence_bleu_char,
    sentence_scores,
)

TEXT = "皮损鲜红，鳞屑较多，瘙痒明显。舌红苔黄，脉弦数，证属血热。"
SHORT = "血热证"


@pytest.mark.parametrize("text", [TEXT, SHORT])
def test_identical_chinese_text_scores_one(text: str) -> None:
    """Every named sentence score of a text against itself is 1, short texts too."""
    assert sentence_scores(text, text) == pytest.approx(dict.fromkeys(sentence_scores(text, text), 1.0))


def test_identical_chinese_corpus_scores_one() -> None:
    """Corpus BLEU with the tokenizer zh is 1 on identical texts."""
    assert corpus_bleu_zh([TEXT, TEXT[:16]], [TEXT, TEXT[:16]]) == pytest.approx(1.0)


def test_the_default_tokenizers_fail_on_identical_chinese_text() -> None:
    """Why the variants are named: sacrebleu's 13a and rouge-score's default find no words and give 0."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU

    assert BLEU(tokenize="13a").corpus_score([TEXT], [[TEXT]]).score == 0
    assert RougeScorer(["rougeL"]).score(TEXT, TEXT)["rougeL"].fmeasure == 0


def test_sentence_bleu_by_hand() -> None:
    """ABCD against ABCE: precisions 3/4, 2/3, 1/2 and 0/1. Smoothing 3 makes the last 1/2 x 1/1: the geometric mean is
    (3/4 x 2/3 x 1/2 x 1/2) ^ (1/4) = (1/8) ^ (1/4) = 0.5946; equal lengths, no brevity penalty."""
    assert sentence_bleu_char("甲乙丙丁", "甲乙丙戊") == pytest.approx(0.125**0.25, abs=1e-6)


def test_rouge_l_on_characters_by_hand() -> None:
    """The longest common subsequence of ABCD and ABD is 3: precision 3/4, recall 3/3, F = 2 x .75 / 1.75 = 0.857."""
    assert rouge_l_char("甲乙丙丁", "甲乙丁") == pytest.approx(6 / 7)


def test_rouge_l_on_words_counts_words() -> None:
    """One of two words in common is 1/2 whatever the words' lengths; on characters it would be less."""
    assert rouge_l_jieba("皮肤 苹果", "皮肤 北京") == pytest.approx(0.5)
    assert rouge_l_char("皮肤 北京大学", "皮肤 苹果") == pytest.approx(4 / 10)


def test_white_space_is_no_character() -> None:
    """Line breaks and blanks neither help nor hurt."""
    assert sentence_bleu_char("皮损鲜红\n鳞屑 较多", "皮损鲜红鳞屑较多") == pytest.approx(1.0)


def test_an_empty_text_scores_nothing() -> None:
    """A bundle that says nothing gets 0, not an error."""
    assert set(sentence_scores("", TEXT).values()) == {0.0}
