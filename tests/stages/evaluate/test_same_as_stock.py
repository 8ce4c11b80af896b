"""A slice of tests/bench/same_as_stock.py on tasks of this folder: the bench takes real data and all models."""

from __future__ import annotations

from pathlib import Path

import pytest
from lm_eval.tasks import TaskManager

from stages.evaluate.tasks.loading import use_datasets
from tests.bench.evaluate_world import begin_with_bos, make_world
from tests.bench.same_as_stock import BROKEN, MODELS, Asked, compare, models_of
from tests.stages.evaluate.tiny import TEXT, train_tokenizer
from tests.stages.evaluate.world import CHOICE, GENERATED, define

WORDS = TEXT.split()
SHORT = {**GENERATED, "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 6}}
ROWS = [
    {"question": " ".join(WORDS[at : at + 6]), "choices": WORDS[at + 6 : at + 10], "answer": at % 4} for at in range(20)
]


@pytest.mark.parametrize("model", ["Mixtral", "folder with <s>"])
def test_scores_and_texts_are_those_of_stock_without_a_flag(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [
        path
        for name, keys in (("choices", CHOICE), ("texts", SHORT))
        for path in define(tmp_path / "own", name, {"test": ROWS[:6], "train": ROWS[6:]}, **keys)
    ]
    make_world(tmp_path / "world", train_tokenizer(tmp_path / "tok"), MODELS[model], BROKEN)
    if model == "folder with <s>":
        begin_with_bos(tmp_path / "world")
    use_datasets(tmp_path / "home", [])
    monkeypatch.chdir(tmp_path / "own")  # stock looks for the data of a definition there
    tasks = TaskManager(include_defaults=False, include_path=str(tmp_path / "own"))
    ours, stock = models_of(tmp_path / "world", 64)
    for asked in (Asked("", ("choices",), 5), Asked("", ("choices",), 0), Asked("", ("texts",), 2)):
        row = compare(asked, ours, stock, tasks, own)
        assert row.is_same, (asked, row)
        assert (row.questions, row.nats > 0) == (6, "choices" in asked.tasks)
