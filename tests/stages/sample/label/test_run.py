"""The gold rule as a labeller."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.chat.chats import text_message
from stages.formats.preferences import read_preferences
from stages.formats.reinforcement.rollouts import Rollout, write_rollouts
from stages.sample.label.config import LabelConfig
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.make import prompts
from stages.sample.world import make_world
from stages.shared.contract import InputFile
from tests.stages.harness import planned_steps, run_unit, unit_folder

CONFIG = LabelConfig(answers="x")


def rollout(question: str, text: str, sample: int = 0) -> Rollout:
    return Rollout(
        prompt=question,
        messages=(text_message("user", question),),
        sample=sample,
        text=text,
        finish="eos",
        policy="p",
        context=(1,),
        tokens=(2,),
        logprobs=(-1.0,),
    )


def test_answers_of_all_policies_are_ranked_together_and_what_teaches_nothing_is_counted(tmp_path: Path) -> None:
    world = make_world(1)
    asked = next(each for each in prompts(world) if not each.is_request and each.language == "en")
    other = next(each for each in prompts(world) if each.is_request and each.language == "en")
    right, rude = f"It is {asked.fact.value}.", "Shut up."
    write_rollouts(tmp_path / "a.jsonl", [rollout(asked.text, rude), rollout(asked.text, rude, 1)])
    unknown = rollout("Who are you?", "A model.")
    write_rollouts(tmp_path / "b.jsonl", [rollout(asked.text, right), rollout(other.text, right), unknown])
    inputs = {"answers": (InputFile(tmp_path / "a.jsonl", "sft"), InputFile(tmp_path / "b.jsonl", "ppo"))}
    (step,) = planned_steps(CONFIG, inputs)
    summary = run_unit(CONFIG, step, 0, inputs, tmp_path)
    (found,) = read_preferences(unit_folder(tmp_path, "", 0) / "preferences.jsonl")
    assert found.prompt[0].text == asked.text
    assert [(each.text, each.source) for each in found.responses] == [(rude, "sft"), (right, "ppo")]
    assert found.ranks == (2, 1)
    assert summary["preferences"] == 1
    assert summary["left_out"] == {"no question of the world": 1, "of one rank": 1}
    gold = Gold(world)
    assert summary["scores"]["sft"] == pytest.approx(gold.score(asked.text, rude))
    assert summary["scores"]["ppo"] == pytest.approx(
        (gold.score(asked.text, right) + gold.score(other.text, right)) / 2
    )
