"""The steps around the page: candidates are shown once, and the last label of each labeller counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.align.label.config import LabelConfig
from stages.formats.chat.agreements import read_agreement
from stages.formats.chat.chats import text_message
from stages.formats.preferences import (
    Candidates,
    Preference,
    Response,
    read_candidates,
    read_preferences,
    write_candidates,
    write_preferences,
)
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import run_unit

PROMPTS = [(text_message("user", text),) for text in ("one", "two")]
RESPONSES = (Response("a"), Response("b"))


def label(who: str, item: int, *ranks: int) -> Preference:
    return Preference(prompt=PROMPTS[item], responses=RESPONSES, ranks=ranks, ranked_by=who)


def run(root: Path, step: str, candidates: Path, *labels: Path) -> Path:
    """Run a step of `align.label`; return the folder of its output."""
    config = LabelConfig.model_validate({"candidates": str(candidates), "labels": str(root / "*.jsonl")})
    inputs = {
        "candidates": (InputFile(candidates, "c", 0.1),),
        "labels": tuple(InputFile(path, path.stem, 0.1) for path in labels),
    }
    (found,) = (each for each in config.plan(inputs).steps if each.name == step)
    run_unit(config, found, 0, inputs, root)
    (out,) = (root / "steps" / step).iterdir()
    return out


def test_each_prompt_is_shown_once(tmp_path: Path) -> None:
    items = [Candidates(prompt=prompt, responses=RESPONSES) for prompt in PROMPTS]
    write_candidates(tmp_path / "c.jsonl", [items[1], items[0], items[1]])
    out = run(tmp_path, "collect", tmp_path / "c.jsonl")
    assert list(read_candidates(out / "candidates.jsonl")) == [items[1], items[0]]


def test_the_last_labels_of_all_labellers_become_preferences(tmp_path: Path) -> None:
    write_preferences(tmp_path / "ann.jsonl", [label("ann", 0, 1, 2), label("ann", 1, 1, 2), label("ann", 0, 2, 1)])
    write_preferences(tmp_path / "bo.jsonl", [label("bo", 0, 2, 1)])
    out = run(tmp_path, "agree", tmp_path / "c.jsonl", tmp_path / "ann.jsonl", tmp_path / "bo.jsonl")
    kept = list(read_preferences(out / "preferences.jsonl"))
    assert [(each.ranked_by, each.ranks) for each in kept] == [("ann", (1, 2)), ("ann", (2, 1)), ("bo", (2, 1))]
    found = read_agreement(out / "agreement.json")
    assert (found.labellers, found.items, found.shared, found.same) == ({"ann": 2, "bo": 1}, 2, 1, 1.0)


@pytest.mark.parametrize(("step", "problem"), [("collect", "no candidates"), ("agree", "no labels")])
def test_empty_files_are_an_error(tmp_path: Path, step: str, problem: str) -> None:
    for name in ("c", "ann"):
        (tmp_path / f"{name}.jsonl").touch()
    with pytest.raises(DataError, match=problem):
        run(tmp_path, step, tmp_path / "c.jsonl", tmp_path / "ann.jsonl")
