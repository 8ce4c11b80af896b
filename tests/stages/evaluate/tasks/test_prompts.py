from pathlib import Path

import pytest

from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.prompts import Window, drop_examples
from stages.shared.errors import ConfigError
from tests.stages.evaluate.world import CHOICE, ByDigest, define, questions


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])


def prompts(cell: Cell, definitions: list[Path]) -> list[tuple[str, str]]:
    """Return each question's prompt, and the text of its right answer."""
    model = ByDigest()
    measure(model, load_cell(cell, definitions), None)
    return [(request.args[0], request.doc["choices"][request.doc["answer"]]) for request in model.asked[::4]]


@pytest.mark.parametrize(
    ("splits", "keys"),
    [
        ({"test": questions(3)}, {}),
        ({"test": questions(3)}, {"fewshot_split": "test"}),
        ({"test": questions(3)}, {"fewshot_config": {"sampler": "first_n"}}),
        ({"validation": questions(3)}, {"fewshot_split": "validation"}),
        ({"test": questions(3), "train": questions(3)}, {}),
    ],
)
def test_no_prompt_holds_its_own_answer(tmp_path: Path, splits: dict[str, list[object]], keys: dict[str, str]) -> None:
    own = define(tmp_path / "own", "three", splits, **CHOICE, **keys)  # type: ignore[arg-type]
    found = prompts(Cell(task="three", num_fewshot=2), own)
    assert len(found) == 3
    for prompt, answer in found:
        assert answer not in prompt
        assert prompt.count("Question:") == 3


def test_prompts_in_which_no_question_meets_itself_are_lm_evals(tmp_path: Path) -> None:
    splits = {"test": questions(9, "asked"), "train": [*questions(30, "shown"), *questions(9, "asked")[:1]]}
    own = define(tmp_path / "own", "mixed", splits, **CHOICE)
    guarded = load_cell(Cell(task="mixed", num_fewshot=5), own)["tasks"]["mixed"]
    stock = load_cell(Cell(task="mixed", num_fewshot=5), own)["tasks"]["mixed"]
    stock.sampler = stock.sampler.chooser
    pairs = [[task.fewshot_context(doc, 5) for doc in task.eval_docs] for task in (guarded, stock)]
    answers = [doc["choices"][doc["answer"]] for doc in stock.eval_docs]
    for ours, theirs, answer in zip(*pairs, answers, strict=True):
        assert ours == theirs or (answer in theirs and answer not in ours)


def test_another_seed_shows_other_examples_and_the_same_seed_the_same(tmp_path: Path) -> None:
    own = define(tmp_path / "own", "seeded", {"test": questions(4, "asked"), "train": questions(20)}, **CHOICE)
    found = [prompts(Cell(task="seeded", num_fewshot=3, seed=seed), own) for seed in (1234, 1234, 7)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("splits", "available"), [({"test": questions(9), "train": questions(5, "t")}, 5), ({"test": questions(5)}, 4)]
)
def test_more_shots_than_examples_are_one_sentence(
    tmp_path: Path, splits: dict[str, list[dict[str, object]]], available: int
) -> None:
    own = define(tmp_path / "own", "few", splits, **CHOICE)
    load_cell(Cell(task="few", num_fewshot=available), own)
    for asked in (available + 1, 10):
        message = f"num_fewshot = {asked}: must be at most {available}: few has {available} solved examples"
        with pytest.raises(ConfigError, match=message):
            load_cell(Cell(task="few", num_fewshot=asked), own)


@pytest.mark.parametrize("seq_len", [10_000, 110, 40])
def test_a_prompt_that_does_not_fit_loses_whole_examples_the_first_ones_first(tmp_path: Path, seq_len: int) -> None:
    own = define(tmp_path / "own", "long", {"test": questions(6, "asked"), "train": questions(20)}, **CHOICE)
    cut, whole = (load_cell(Cell(task="long", num_fewshot=5), own)["tasks"]["long"] for _ in range(2))
    window = Window(seq_len, lambda text: list(text.encode()))
    drop_examples(cut, window)
    dropped = 0
    for doc in cut.eval_docs:
        short, long = (task.fewshot_context(doc, 5) for task in (cut, whole))
        blocks = long.split("\n\n")
        fitting = ("\n\n".join(blocks[start:]) for start in range(6))
        assert short == next(prompt for prompt in fitting if window.fits(cut, doc, prompt) or prompt == blocks[-1])
        dropped += 5 - short.count("\n\n")
    assert cut.dropped_examples == dropped
    assert (dropped == 0, dropped == 30) == (seq_len > 1000, seq_len < 50)
