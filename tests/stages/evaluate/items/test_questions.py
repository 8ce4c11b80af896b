"""Items of tasks: lm-eval's own questions, under the names that results give them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from stages.evaluate.cells import Cell, TaskSettings
from stages.evaluate.harness import measure
from stages.evaluate.items.config import ItemsConfig
from stages.evaluate.items.questions import items_of, run, without_form
from stages.evaluate.scores import collect_outcomes
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.formats.benchmarks.index import DataSet
from stages.formats.benchmarks.write import write_dataset
from stages.formats.corpus.contamination import read_items
from stages.shared.contract import InputFile
from tests.stages.evaluate.world import CHOICE, ByDigest, define, questions
from tests.stages.harness import make_task, run_stage

PIQA = [
    {"goal": f"goal {n} of {'none' if n == 3 else 'all'}", "sol1": f"one {n}", "sol2": f"two {n}", "label": n % 2}
    for n in range(4)
]


def test_items_have_the_names_and_the_number_of_the_results_questions(tmp_path: Path) -> None:
    own = define(tmp_path / "own", "mine", {"test": [*questions(5), questions(1)[0]]}, **CHOICE)
    use_datasets(tmp_path / "home", [])
    loaded = load_cell(Cell(task="mine"), own)
    items = items_of("mine", loaded["tasks"]["mine"])
    outcomes = collect_outcomes(measure(ByDigest(), loaded, None))["mine"]
    assert [item.item for item in items] == list(outcomes.items)
    assert items[5].item == f"{items[0].item}~2"
    assert [item.text for item in items[:2]] == ["0?", "1?"]


def test_a_stage_writes_a_file_for_each_task_and_asks_lm_evals_own_query(tmp_path: Path) -> None:
    splits = {"train": PIQA, "validation": PIQA}
    folder = write_dataset(tmp_path / "hf/datasets", DataSet("baber/piqa", ""), splits, None, {})
    facts = tmp_path / "facts.jsonl"
    fact = {"id": "1", "question": "What does a heron cost?", "choices": ["a", "b"], "answer": 0}
    facts.write_text(json.dumps(fact) + "\n")
    config = ItemsConfig(tasks=(TaskSettings(task="piqa"), TaskSettings(task="facts")))
    inputs = {"datasets": (InputFile(folder, ""),), "facts": (InputFile(facts, ""),)}
    files = run_stage(config, inputs, tmp_path / "run")["items"]
    assert [file.source for file in files] == ["piqa", "facts"]
    assert [item.text for item in read_items(files[0].path)] == ["0 of all", "1 of all", "2 of all", "3 of none"]
    assert [item.text for item in read_items(files[1].path)] == [fact["question"]]


def test_words_that_all_questions_share_at_both_ends_are_left_out() -> None:
    texts = ["Question: what is it?\nAnswer:", "Question: who is it?\nAnswer:"]
    assert without_form(texts) == ["what", "who"]
    assert without_form(["one text"]) == ["one text"]
    assert without_form(["Question: a", "Question: a"]) == ["", ""]
    assert without_form([]) == []


def test_inputs_that_the_recipe_leaves_out_are_not_needed(tmp_path: Path) -> None:
    own = define(tmp_path / "own", "mine", {"test": questions(3)}, **CHOICE)
    config = ItemsConfig(tasks=(TaskSettings(task="mine"),))
    inputs = {"definitions": tuple(InputFile(path, "") for path in own)}
    task = make_task(config, config.plan(inputs).steps[0], 0, inputs, tmp_path / "run")
    assert run(replace(task, inputs={"definitions": inputs["definitions"]})) == {"mine": 3}
