import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.api.instance import Instance

from stages.benchmarks.config import BenchmarksConfig
from stages.evaluate.cells import Cell
from stages.evaluate.harness import Watched, measure, sample_records, without_samples
from stages.evaluate.parts import Replay, answer_share, requests_of, share_of
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.bench.evaluate_requests import data
from tests.stages.evaluate.world import CHOICE, GENERATED, ByDigest, define, questions
from tests.stages.harness import run_stage

CELLS = (
    Cell(task="choices", num_fewshot=5),
    Cell(task="texts", num_fewshot=5),
    Cell(task="together", num_fewshot=3, limit=8),
    Cell(task="texts", repeats=3),
)


@pytest.fixture
def definitions(tmp_path: Path) -> list[Path]:
    use_datasets(tmp_path / "home", [])
    own = tmp_path / "own"
    group = {"group": "together", "task": ["together_a", "together_b"], "aggregate_metric_list": [
        {"metric": "acc", "aggregation": "mean", "weight_by_size": True}]}  # fmt: skip
    files = [own / "together.yaml"]
    for name, keys in (("choices", CHOICE), ("texts", GENERATED), ("together_a", CHOICE), ("together_b", CHOICE)):
        files += define(own, name, {"test": questions(23, name), "train": questions(40)}, **keys)
    files[0].write_text(yaml.safe_dump(group))
    return files


def written(results: dict[str, Any]) -> str:
    return json.dumps([without_samples(results), list(sample_records(results))])


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("parts", [2, 7])
def test_a_cell_in_parts_has_the_bytes_of_the_whole(
    cell: Cell, parts: int, definitions: list[Path], tmp_path: Path
) -> None:
    counts = require_same_bytes(cell, parts, definitions, tmp_path)
    assert max(counts) - min(counts) <= 8


def require_same_bytes(cell: Cell, parts: int, definitions: list[Path], folder: Path) -> list[int]:
    """Require that parts give the results of the whole; return the number of requests of each part."""
    whole = Watched(ByDigest())
    results = measure(whole, load_cell(cell, definitions), cell.limit)
    counts, shares = [], [folder / f"{cell.task}-{part}" for part in range(parts)]
    for part, share in enumerate(shares):
        share.mkdir()
        counts.append(answer_share(ByDigest(), load_cell(cell, definitions), cell.limit, (part, parts), share))
    merged = Watched(Replay(shares))
    again = measure(merged, load_cell(cell, definitions), cell.limit)
    assert written(again) == written(results)
    assert merged.digest == whole.digest
    return counts


@pytest.mark.skipif(data() is None, reason="the data of the tasks is not there (../shared/data/eval)")
def test_lm_evals_own_tasks_in_seven_parts_have_the_bytes_of_the_whole(tmp_path: Path) -> None:
    """The data lacks ARC's and GSM8K's training splits, which are carved here, and anatomy, for which others stand."""
    root = data()
    assert root is not None
    stem, anatomy = root / "eval/mmlu/mmlu_stem_test.jsonl", tmp_path / "anatomy.jsonl"
    rows = [json.loads(line) for line in stem.read_text("utf-8").splitlines()[:12]]
    anatomy.write_text("".join(json.dumps({**row, "subject": "anatomy"}) + "\n" for row in rows))
    families = {
        "arc": [root / "eval/commonsense/ARC-Easy.test.json"],
        "gsm8k": [root / "eval/gsm8k/test.jsonl"],
        "mmlu": [stem, anatomy],
    }
    tasks, carve = ("arc_easy", "gsm8k", "mmlu_stem"), {"arc": 30, "gsm8k": 30}
    config = BenchmarksConfig(tasks=tasks, carve=carve, harness_examples=True)
    files = tuple(InputFile(path, family) for family, paths in families.items() for path in paths)
    use_datasets(tmp_path / "home", [made.path for made in run_stage(config, {"files": files}, tmp_path)["datasets"]])
    for cell in (
        Cell(task="arc_easy", num_fewshot=25, limit=40),
        Cell(task="gsm8k", num_fewshot=5, limit=20),
        Cell(task="mmlu_stem", num_fewshot=3, limit=3),
    ):
        assert all(require_same_bytes(cell, 7, [], tmp_path)), cell.name


def test_the_choices_of_a_question_stay_in_one_part(definitions: list[Path]) -> None:
    requests = requests_of(load_cell(CELLS[0], definitions), None)["loglikelihood"]
    shares = [share_of(requests, part, 7) for part in range(7)]
    assert sorted(number for share in shares for number in share) == list(range(len(requests)))
    assert all(len(share) % 4 == 0 for share in shares)
    assert max(map(len, shares)) - min(map(len, shares)) <= 4


def test_equal_prompts_stay_in_one_part_since_they_draw_one_after_the_other() -> None:
    prompts = ("a", "b", "a", "c", "b", "d")
    requests = [Instance("generate_until", {"n": n}, (prompt, {}), 0) for n, prompt in enumerate(prompts)]
    assert [share_of(requests, part, 2) for part in range(2)] == [[0, 1, 2, 4], [3, 5]]


def test_more_parts_than_questions_leave_some_without_work(definitions: list[Path]) -> None:
    requests = requests_of(load_cell(CELLS[1], definitions), 3)["generate_until"]
    sizes = [len(share_of(requests, part, 5)) for part in range(5)]
    assert (sum(sizes), max(sizes)) == (3, 1)


def test_parts_that_were_asked_something_else_are_refused(definitions: list[Path], tmp_path: Path) -> None:
    answer_share(ByDigest(), load_cell(CELLS[0], definitions), None, (0, 1), tmp_path)
    other = Cell(task="choices", num_fewshot=5, seed=7)
    with pytest.raises(DataError, match="answers to other requests"):
        measure(Replay([tmp_path]), load_cell(other, definitions), None)
