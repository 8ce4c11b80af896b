"""Bugs that others reported: the right value of each that no module's own test holds, and the page of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.api.instance import Instance

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.cells import Cell
from stages.evaluate.harness import chances, groups_of, measure, sample_records
from stages.evaluate.parts import Replay, answer_share
from stages.evaluate.scores import collect_scores
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.prompts import Window, drop_examples
from stages.formats.results import Score
from stages.generate.opening import Opened, open_checkpoint
from tests.stages.evaluate.tiny import TEXT, make_checkpoint, train_tokenizer
from tests.stages.evaluate.world import CHOICE, ByDigest, define, questions

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "stages" / "evaluate" / "public_bugs.md"
WORDS = TEXT.split()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(folder / "tok")
    return open_checkpoint(make_checkpoint(folder / "checkpoint", tokenizer, seq_len=128), tokenizer)


def adapter(opened: Opened, answers: Path, batch_tokens: int = 64) -> CheckpointLM:
    kept = Answers(answers, opened.identity, lambda: False, lambda done: None)
    return CheckpointLM(opened.model, opened.codec, kept, batch_tokens, opened.first_id)


def test_a_prompt_asked_four_times_has_four_texts_and_the_same_four_again(opened: Opened, tmp_path: Path) -> None:
    asked = ("The road", {"do_sample": True, "temperature": 1.0, "max_gen_toks": 12, "until": []})
    requests = [Instance("generate_until", {}, asked, 0) for _ in range(4)]
    first = adapter(opened, tmp_path / "one").generate_until(requests)
    assert len(set(first)) == 4
    kept = adapter(opened, tmp_path / "one")
    assert (kept.generate_until(requests), kept.engine.tokens) == (first, 0)
    assert adapter(opened, tmp_path / "other", batch_tokens=1).generate_until(requests) == first


class Fits(CheckpointLM):
    """Answers by digest and counts what is cut as the adapter does."""

    def _score(self, requests: list[Any]) -> list[tuple[float, bool]]:
        return [(-1.0, False) for _ in requests]


def test_five_shots_in_a_short_model_lose_whole_examples_and_are_counted(opened: Opened, tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    rows = [
        {"question": " ".join(WORDS[n : n + 14]), "choices": [f"{place} {n}" for place in "abcd"], "answer": n % 4}
        for n in range(12)
    ]
    own = define(tmp_path / "own", "long", {"test": rows[:5], "train": rows[5:]}, **CHOICE)
    task = load_cell(Cell(task="long", num_fewshot=5), own)["tasks"]["long"]
    drop_examples(task, Window(opened.seq_len, opened.codec.encode))
    model = Fits(opened.model, opened.codec, Answers(tmp_path / "answers", "", lambda: False, lambda _: None), 64)
    measured = measure(model, {"tasks": {"long": task}}, None)
    prompts = [sample["arguments"][0][0] for sample in measured["samples"]["long"]]
    shown = [prompt.count("Question:") - 1 for prompt in prompts]
    assert all(prompt.startswith("Question:") and 0 < shots < 5 for prompt, shots in zip(prompts, shown, strict=True))
    assert task.dropped_examples == sum(5 - shots for shots in shown)
    assert model.cut.requests == 0, "what is left fits"


def test_the_size_of_a_batch_changes_no_choice(opened: Opened, tmp_path: Path) -> None:
    asked = [(" ".join(WORDS[at : at + 9]), f" {word}") for at in range(30) for word in ("river", "red", "4", "ça")]
    requests = [Instance("loglikelihood", {}, each, 0, ("t", n // 4, 1)) for n, each in enumerate(asked)]
    scores = {size: adapter(opened, tmp_path / str(size), size).loglikelihood(requests) for size in (1, 777, 4096)}
    for size in (777, 4096):
        assert [each[0] for each in scores[size]] == pytest.approx([each[0] for each in scores[1]], abs=1e-4)
        for of in (range(at, at + 4) for at in range(0, len(asked), 4)):
            assert max(of, key=lambda n: scores[size][n][0]) == max(of, key=lambda n: scores[1][n][0])


def test_a_question_is_logged_under_its_own_number(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    own = define(tmp_path / "own", "mine", {"test": questions(23), "train": questions(40, "t")}, **CHOICE)
    cell = Cell(task="mine", num_fewshot=2)
    for part in range(3):
        (tmp_path / str(part)).mkdir()
        answer_share(ByDigest(), load_cell(cell, own), None, (part, 3), tmp_path / str(part))  # type: ignore[arg-type]
    merged = measure(Replay([tmp_path / str(part) for part in range(3)]), load_cell(cell, own), None)
    for record in sample_records(merged):
        number = record["doc_id"]
        assert record["doc"]["question"] == f"q {number}?"
        assert all(f"Question: q {number}?\nAnswer:" in argument[0] for argument in _arguments(record))
    assert len(merged["samples"]["mine"]) == 23


def _arguments(record: Mapping[str, Any]) -> list[Sequence[str]]:
    found = record["arguments"]
    return [*found.values()] if isinstance(found, dict) else found


class Plays(ByDigest):
    """Chooses rightly in a number of the questions of each task."""

    def __init__(self, right: Mapping[str, int]) -> None:
        super().__init__()
        self.right = right

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        return [
            (float((request.idx == request.doc["answer"]) == (request.doc_id < self.right[request.task_name])), False)  # type: ignore[operator, index]
            for request in requests
        ]


def scores_of(model: ByDigest, task: str, own: list[Path]) -> dict[tuple[str, str], Score]:
    loaded = load_cell(Cell(task=task), own)
    measured = measure(model, loaded, None)
    found = collect_scores(measured, chances(loaded, measured), groups_of(loaded))
    return {(score.task, score.metric): score for score in found}


def test_a_group_has_mean_error_and_chance_of_its_questions(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    own = [tmp_path / "own/all.yaml"]
    for name in ("all_a", "all_b", "all_c"):
        own += define(tmp_path / "own", name, {"test": questions(8, name)}, **CHOICE)
    together = [{"metric": "acc", "aggregation": "mean", "weight_by_size": True}]
    group = {"group": "all", "task": ["all_a", "all_b", "all_c"], "aggregate_metric_list": together}
    own[0].write_text(yaml.safe_dump(group))
    found = scores_of(Plays({"all_a": 0, "all_b": 2, "all_c": 3}), "all", own)["all", "acc"]
    assert (round(found.value, 4), round(found.stderr or 0, 4), found.chance) == (0.2083, 0.0818, 0.25)


class Prefers(ByDigest):
    """Gives two letters -4 nats, three Chinese characters -7."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        return [({"ab": -4.0, "中文字": -7.0}[request.args[1].strip()], False) for request in requests]


def test_characters_and_bytes_choose_apart_and_the_metric_says_which(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    rows = [{"question": "Which?", "choices": ["ab", "中文字"], "answer": 0}]
    metrics = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc_norm", "acc_bytes")]
    own = define(tmp_path / "own", "two", {"test": rows}, **{**CHOICE, "metric_list": metrics})
    found = scores_of(Prefers(), "two", own)
    assert {metric: score.value for (_, metric), score in found.items()} == {"acc_norm": 1.0, "acc_bytes": 0.0}


def test_every_bug_of_the_page_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \|.*`(tests/[\w/]+\.py)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(1, 28)]
    for _, file, name in rows:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"
