"""The steps around the page: candidates are shown once, and the last label of each labeller counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.align.label.config import LabelConfig
from stages.align.label.run import verdicts_of
from stages.formats.chat.agreements import read_agreement
from stages.formats.chat.chats import text_message
from stages.formats.chat.judgements import read_judgement, read_verdicts
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
from tests.stages.align.judge.judges import write_answers
from tests.stages.harness import run_stage, run_unit

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


def test_answers_of_policies_become_candidates_and_their_labels_win_rates(tmp_path: Path) -> None:
    files = write_answers(tmp_path / "answers", {"sft": lambda n: f"short {n}", "ppo": lambda n: f"long {n} {n}"}, 3)
    config = LabelConfig.model_validate({"answers": {"sft": "x", "ppo": "x"}, "against": "sft", "labels": "x"})
    items = [
        Preference(
            prompt=(text_message("user", f"question {number}"),),
            responses=(Response(f"short {number}", "sft"), Response(f"long {number} {number}", "ppo")),
            ranks=ranks,
            ranked_by=who,
            source=("facts", "requests")[number % 2],
        )
        for who, ranked in {"ann": [(2, 1), (2, 1), (1, 1)], "bo": [(1, 2), (2, 1)]}.items()
        for number, ranks in enumerate(ranked)
    ]
    write_preferences(tmp_path / "labels.jsonl", items)
    inputs = {"answers": files, "labels": (InputFile(tmp_path / "labels.jsonl", ""),)}
    outputs = run_stage(config, inputs, tmp_path / "run")
    shown = list(read_candidates(tmp_path / "run" / "steps" / "collect" / "00000" / "candidates.jsonl"))
    assert [[each.source for each in item.responses] for item in shown] == [["sft", "ppo"]] * 3
    assert [each.key for each in shown] == [each.key for each in items[:3]]
    found = read_judgement(outputs["judgement"][0].path)
    whole, *by_source = found.rates
    assert (found.kind, whole.policy, whole.prompts, whole.wins, whole.ties, whole.losses) == (
        "people",
        "ppo",
        3,
        3,
        1,
        1,
    )
    assert whole.rate == pytest.approx((0.5 + 1 + 0.5) / 3)  # people of one prompt are one prompt
    assert {each.source: each.prompts for each in by_source} == {"facts": 2, "requests": 1}
    assert {each.judge for each in read_verdicts(outputs["verdicts"][0].path)} == {"ann", "bo"}
    assert len(list(read_preferences(outputs["preferences"][0].path))) == 5


def test_a_label_without_the_policy_that_others_are_compared_with_is_no_verdict() -> None:
    other = Preference(prompt=PROMPTS[0], responses=(Response("a", "x"), Response("b", "y")), ranks=(1, 2))
    assert list(verdicts_of(other, "sft")) == []
