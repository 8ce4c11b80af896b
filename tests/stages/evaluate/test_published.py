"""Verdicts on given answers, as published: GSM8K's flags, BBH's table of accuracies, MATH's pairs of equal answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure
from stages.evaluate.scores import collect_outcomes
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.write import write_dataset
from tests.stages.evaluate.world import ByDigest

DATA = Path(__file__).parents[4] / "shared" / "data" / "eval"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published answers are not in {DATA}")


class Says(ByDigest):
    """Gives each question a text of its own, in order."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self.texts = texts

    def generate_until(self, requests: list[Instance]) -> list[str]:
        return [self.texts[request.doc_id] for request in requests]  # type: ignore[index]


def verdicts(
    folder: Path, task: str, data: DataSet, splits: Mapping[str, Sequence[Any]], texts: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    """Return by metric the verdict on each text, which answers the question of the same place in the split `test`."""
    use_datasets(folder / "home", [write_dataset(folder / "data", data, splits, None, {})])
    shots = None if task.startswith("bbh") else 0
    return dict(
        collect_outcomes(measure(Says(texts), load_cell(Cell(task=task, num_fewshot=shots), []), None))[task].values
    )


def gsm8k_flags(folder: Path, solutions: Sequence[tuple[str, str]]) -> list[bool]:
    """Return whether each (solution, right answer) is judged right."""
    rows = [{"question": f"{n}?", "answer": f"It is so.\n#### {answer}"} for n, (_, answer) in enumerate(solutions)]
    texts = [text for text, _ in solutions]
    data = DataSet("openai/gsm8k", "main")
    found = verdicts(folder, "gsm8k_cot", data, {"train": rows[:1], "test": rows}, texts)
    return [bool(each) for each in found["exact_match (flexible-extract)"]]


@pytest.mark.parametrize("letter", ["A: ", "The answer is ", "#### "])
def test_a_solutions_last_number_is_its_answer(tmp_path: Path, letter: str) -> None:
    rows = [
        ("She has 3 + 4 = <<3+4=7>>7 coins.\n{}7", "7", True),
        ("It costs $<<2*9=18>>18.\n{}$18", "18", True),
        ("{}1,200", "1200", True),
        ("{}1200.", "1,200", True),
        ("{}-5", "-5", True),
        ("{}5", "-5", False),
        ("The answer was 7.\n{}8", "7", False),
        ("{}18.50", "18", False),
        ("{}70", "7", False),
        ("no number", "7", False),
        ("", "7", False),
    ]
    found = gsm8k_flags(tmp_path, [(text.format(letter), answer) for text, answer, _ in rows])
    assert found == [right for _, _, right in rows]


@needs_data
def test_all_flags_of_gsm8ks_published_solutions_are_reproduced(tmp_path: Path) -> None:
    lines = (DATA / "gsm8k" / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    models = [name for name, value in asked[0].items() if isinstance(value, dict)]
    given = [(each[model], each["ground_truth"].rpartition("A: ")[2]) for model in models for each in asked]
    found = gsm8k_flags(tmp_path, [(answer["solution"], truth) for answer, truth in given])
    assert found == [answer["is_correct"] for answer, _ in given]
    assert len(found) == 5276
    shares = [sum(found[at : at + len(asked)]) / len(asked) for at in range(0, len(found), len(asked))]
    assert [round(100 * share, 2) for share in shares] == [21.68, 39.04, 34.72, 56.25]


MODES = {
    "cot": ("bbh_cot_fewshot", "exact_match (get-answer)", "So it is.\nSo the answer is {}."),
    "direct": ("bbh_fewshot", "exact_match", "{}"),
}
"""By mode in the published table: the group, its metric, and how an answer is given."""


def bbh_table(folder: Path, mode: str, name: str, targets: Sequence[str], right: int) -> tuple[str, str, int, float]:
    """Return the row (mode, task, n, accuracy in percent) of answers of which the first `right` are right."""
    group, metric, form = MODES[mode]
    task = f"{group}_{name}"
    texts = [form.format(target if place < right else f"not {target}") for place, target in enumerate(targets)]
    rows = [{"input": f"{n}?", "target": target} for n, target in enumerate(targets)]
    values = verdicts(folder / mode / name, task, DataSet("SaylorTwift/bbh", name), {"test": rows}, texts)[metric]
    return mode, name, len(values), 100 * sum(values) / len(values)


TARGETS = ["True", "(B)", "] ) }", "12", "-7", "valid", "no", "apple banana cherry", "05/01/2021", "two words."]


@pytest.mark.parametrize("mode", MODES)
def test_bbhs_answers_are_judged_in_both_modes(tmp_path: Path, mode: str) -> None:
    assert bbh_table(tmp_path, mode, "snarks", TARGETS, 7) == (mode, "snarks", 10, pytest.approx(70.0))


@needs_data
def test_the_published_table_of_bbh_is_reproduced_from_as_many_right_answers(tmp_path: Path) -> None:
    with (DATA / "bbh" / "published_accuracy.tsv").open(encoding="utf-8") as lines:
        published = [
            (row["mode"], row["task"], int(row["n"]), float(row["accuracy"]))
            for row in csv.DictReader(lines, delimiter="\t")
        ]
    assert len(published) == 54
    assert all(f"{MODES[mode][0]}_{name}" in read_index() for mode, name, _, _ in published)
    for mode, name, count, accuracy in published:
        file = DATA / "bbh" / "data" / f"{name}.json"
        if file.exists():
            targets = [each["target"] for each in json.loads(file.read_text(encoding="utf-8"))["examples"]]
            found = bbh_table(tmp_path, mode, name, targets, round(count * accuracy / 100))
            assert found == (mode, name, count, pytest.approx(accuracy, abs=1e-9))


PAIRS = [
    (r"\tfrac{1}{2} + \frac1{72}", r"\\frac{1}{2} + 2/3", False),
    ("10, 4, -2", "4, 10, -2", False),
    ("10, 4, 2", "4, 12, 2", False),
    (r"\tfrac{1}{2} +\! \frac1{72}", r"\\dfrac{1}{2} +\frac{1}{72}", True),
    (r"10\text{ units}", "10 ", True),
    (r"10\text{ units}", "100 ", False),
    ("10", r"\$10", True),
    (r"\left(x-2\right)\left(x+2\right)", "(x-2)(x+2)", True),
    ("0.1, 4, 2", "4, .1, 2", False),
    ("0.1", ".1", True),
    (r"10\%", "10", True),
    (r"10\sqrt{3} + \sqrt4", r"10\sqrt3 + \sqrt{4}", True),
    (r"\frac34i", r"\frac{3}{4}i", True),
    (r"\tfrac83", r"\frac{8}{3}", True),
    ("5x - 7y + 11z + 4 = 0", "x + y - z + 2 = 0", False),
    ("1/2", r"\frac{1}{2}", True),
]
"""The pairs of MATH's own tests of equivalence: hendrycks/math, modeling/math_equivalence_test.py."""
MORE_PAIRS = [
    ("0.5", r"\frac{1}{2}", True),
    (r"90^\circ", "90", True),
    ("x=5", "5", True),
    ("", "5", False),
    (r"\frac{3}{4}", r"\frac{4}{3}", False),
]


def test_answers_to_math_are_equal_where_its_authors_call_them_equal(tmp_path: Path) -> None:
    pairs = [*PAIRS, *MORE_PAIRS]
    rows = [
        {"problem": f"{n}?", "level": "Level 1", "type": "Algebra", "solution": rf"So $\boxed{{{gold}}}$."}
        for n, (_, gold, _) in enumerate(pairs)
    ]
    data = DataSet("EleutherAI/hendrycks_math", "algebra")
    texts = [f" The answer is ${answer}$." if n % 2 else answer for n, (answer, _, _) in enumerate(pairs)]
    found = verdicts(tmp_path, "hendrycks_math_algebra", data, {"train": rows[:1], "test": rows}, texts)
    assert [bool(each) for each in found["exact_match"]] == [equal for _, _, equal in pairs]
