"""ROUGE-L: the published package's numbers for English, and words for every script."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from rouge_score.rouge_scorer import RougeScorer

from stages.text.dedup.rouge import RougeIndex, rouge_words

DATA = Path(__file__).parents[5] / "shared" / "data" / "instruct"


def rouge(one: str, other: str) -> float:
    index = RougeIndex()
    index.add(one)
    return index.nearest(other)[0]


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("Write a poem about the sea", "Write a short poem about the sea", 0.923077),
        ("Translate this sentence to French.", "Translate this sentence to German", 0.8),
        ("the cat sat on the mat", "the mat sat on the cat", 0.666667),
        ("a b c d e f g h i j", "a b c d e f g x y z", 0.7),
        ("Sort the list [3, 1, 2].", "Sort the list 3 1 2", 1.0),
        ("", "a", 0.0),
        ("a", "", 0.0),
        ("写一首关于大海的诗", "写一首关于大海的诗", 1.0),
        ("用 Python 写一个函数", "用 Python 画一张图", 0.461538),
        ("Übersetze den Satz", "übersetze den Text", 0.666667),
        ("snake_case name", "snake case name", 1.0),
        ("แปลประโยคนี้", "แปลประโยคนี้", 1.0),
    ],
)
def test_golden_numbers(one: str, other: str, score: float) -> None:
    assert rouge(one, other) == pytest.approx(score, abs=1e-6)


def test_seven_of_ten_is_not_above_the_limit() -> None:
    index = RougeIndex()
    index.add("a b c d e f g h i j")
    assert index.nearest("a b c d e f g x y z", least=0.7) == (0.0, -1)
    assert index.nearest("a b c d e f g h y z", least=0.7) == (0.8, 0)


def test_any_texts_have_the_score_of_the_published_package() -> None:
    draw = random.Random(5)
    words = [f"w{number}" for number in range(30)]
    texts = [" ".join(draw.choices(words, k=draw.choice((1, 5, 20, 63, 64, 65, 130, 200)))) for _ in range(60)]
    scorer = RougeScorer(["rougeL"])
    index = RougeIndex()
    for number, text in enumerate(texts):
        expected = [scorer.score(text, other)["rougeL"].fmeasure for other in texts[:number]]
        best, place = index.nearest(text)
        assert best == pytest.approx(max(expected, default=0.0), abs=1e-12)
        assert place == (expected.index(max(expected)) if expected else -1)
        index.add(text)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"Self-Instruct's seeds are not in {DATA}")
def test_the_seeds_of_self_instruct_have_their_published_neighbours() -> None:
    lines = (DATA / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["instruction"] for line in lines]
    with (DATA / "seed_rougeL_reference.tsv").open(encoding="utf-8") as file:
        reference = list(csv.DictReader(file, delimiter="\t"))
    index = RougeIndex()
    for text, row in zip(texts, reference, strict=False):
        best, place = index.nearest(text)
        assert best == pytest.approx(float(row["rougeL_f"]), abs=1e-9)
        assert place == int(row["best_j"]) or float(row["rougeL_f"]) == 0.0
        index.add(text)
    assert len(index) == len(reference) > 80


def test_words_are_letters_and_digits_in_lower_case() -> None:
    assert rouge_words("It's 3.14, OK_go! 你好 naïve") == ["it", "s", "3", "14", "ok", "go", "你", "好", "naïve"]
