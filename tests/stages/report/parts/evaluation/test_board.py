from dataclasses import replace
from typing import Any

import pytest

from stages.formats.results import Results
from stages.report.parts.evaluation.board import Board, leaderboard
from stages.report.parts.evaluation.comparison import compare
from tests.stages.report.journey import evaluation_key, score


def board(*results: Results) -> Board:
    return leaderboard(results, compare(results))


def of(source: str, task: str, *metrics: tuple[str, float], better: bool = True, **key: Any) -> Results:
    scores = tuple(score(task, name, value, 0.01, chance=0.25, higher_is_better=better) for name, value in metrics)
    return Results(key=evaluation_key(source, task, **key), scores=scores)


@pytest.mark.parametrize(
    ("task", "variant", "metrics", "main"),
    [
        ("arc_easy", "", ["acc", "acc_norm"], "acc"),
        ("hellaswag", "", ["acc", "acc_norm"], "acc_norm"),
        ("boolq", "llama", ["acc", "acc_answer"], "acc_answer"),
        ("gsm8k", "", ["exact_match (flexible)", "exact_match (strict)"], "exact_match (flexible)"),
        ("gsm8k", "llama", ["exact_match (flexible)", "maj@100 (flexible)"], "maj@100 (flexible)"),
        ("humaneval", "", ["pass@1 (create_test)", "pass@10 (create_test)"], "pass@1 (create_test)"),
        ("perplexity", "", ["bits_per_byte", "byte_perplexity", "word_perplexity"], "bits_per_byte"),
        ("mine", "", ["zeta", "alpha"], "alpha"),
    ],
)  # fmt: skip
def test_each_task_has_its_main_metric(task: str, variant: str, metrics: list[str], main: str) -> None:
    found = board(of("final", task, *((name, 0.5) for name in metrics), variant=variant))
    assert [column.metric for column in found.columns] == [main]


def test_a_group_is_one_column_and_a_tag_has_one_for_each_task() -> None:
    members = (score("mmlu_law", "acc", 0.3, 0.1), score("mmlu", "acc", 0.4, 0.1))
    group = Results(key=evaluation_key("final", "mmlu"), scores=members)
    tag = replace(group, key=evaluation_key("final", "some_tag"))
    assert [column.task for column in board(group).columns] == ["mmlu"]
    assert [column.task for column in board(tag).columns] == ["mmlu", "mmlu_law"]


def test_the_best_trained_checkpoint_is_marked_for_losses_too() -> None:
    found = board(
        of("untrained", "a", ("acc", 0.9)), of("step-1", "a", ("acc", 0.3)), of("step-2", "a", ("acc", 0.4)),
        *(of(name, "p", ("ppl", value), better=False) for name, value in (("step-1", 9.0), ("step-2", 8.0))),
    )  # fmt: skip
    best = {row.checkpoint: [cell.is_best for cell in row.cells] for row in found.rows}
    assert best == {"untrained": [False, False], "step-1": [False, False], "step-2": [True, True]}
    assert [row.checkpoint for row in found.rows] == ["step-2", "step-1", "untrained"]
    assert found.rows[-1].cells[1].row is None


def test_one_checkpoint_alone_is_not_the_best() -> None:
    assert not board(of("final", "a", ("acc", 0.3))).rows[0].cells[0].is_best


def test_published_scores_say_whether_they_are_measured_as_the_column() -> None:
    found = board(
        of("final", "piqa", ("acc_norm", 0.5), variant="llama"),
        of("final", "piqa", ("acc_norm", 0.5), variant="llama", limit=40),
        of("final", "piqa", ("acc", 0.5)),
        of("final", "mmlu", ("acc", 0.5), num_fewshot=5),
        of("final", "facts", ("acc", 0.5)),
    )
    (llama,) = found.references
    shown = {
        (column.task, column.protocol): cell and (cell.score.value, cell.is_same_protocol)
        for column, cell in zip(found.columns, llama.cells, strict=True)
    }
    assert shown == {
        ("piqa", "0-shot, llama"): (0.828, True),
        ("piqa", "0-shot, llama, first 40"): (0.828, False),
        ("piqa", "0-shot"): (0.828, False),
        ("mmlu", "5-shot"): (0.634, True),
        ("facts", "0-shot"): None,
    }
    assert board(of("final", "facts", ("acc", 0.5))).references == ()


def test_chance_stands_in_each_column_that_knows_it() -> None:
    unknown = Results(key=evaluation_key("final", "gsm8k"), scores=(score("gsm8k", "exact_match", 0.1, 0.1),))
    found = board(of("final", "a", ("acc", 0.3)), unknown)
    assert [each and each.chance for each in found.chances] == [0.25, None]
