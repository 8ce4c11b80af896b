"""The trained classifier: fastText's reader gives our scores, and equal settings give equal bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stages.quality.features import Vocabulary
from stages.quality.training import LABELS, Classifier, Training, train, write
from stages.text.rules.language import load_model

HOW = Training(dim=8, epochs=8, lr=0.5, seed=3)


def lines(seed: int, count: int) -> tuple[list[str], list[bool]]:
    """Return lines of good and of bad words, with common ones between."""
    draw = random.Random(seed)
    is_good = [draw.random() < 0.5 for _ in range(count)]
    common = ["the", "über", "多", "佛"]
    return [" ".join(draw.choices([*common, "reason" if good else "casino"], k=20)) for good in is_good], is_good


@pytest.fixture(scope="module")
def made() -> Classifier:
    texts, is_good = lines(0, 200)
    return train(texts, is_good, Vocabulary.of(texts, 1, 1000), HOW)


def test_fasttexts_reader_gives_the_scores_of_our_own_arithmetic(made: Classifier, tmp_path: Path) -> None:
    write(tmp_path / "model.bin", made)
    model = load_model(tmp_path / "model.bin")
    for line in [*lines(1, 20)[0], "", "words that nobody knows", "多 佛 casino"]:
        found = dict(zip(*model.predict(line, k=-1), strict=True))
        assert found[LABELS[0]] == pytest.approx(made.score(line), abs=2e-5), line


def test_what_is_good_is_learned(made: Classifier) -> None:
    texts, is_good = lines(2, 100)
    assert all((made.score(text) > 0.5) == good for text, good in zip(texts, is_good, strict=True))


def test_equal_settings_give_equal_bytes_and_another_seed_others(made: Classifier, tmp_path: Path) -> None:
    texts, is_good = lines(0, 200)
    vocabulary = Vocabulary.of(texts, 1, 1000)
    write(tmp_path / "one", made)
    write(tmp_path / "two", train(texts, is_good, vocabulary, HOW))
    write(tmp_path / "other", train(texts, is_good, vocabulary, Training(dim=8, epochs=8, lr=0.5, seed=4)))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != (tmp_path / "other").read_bytes()
