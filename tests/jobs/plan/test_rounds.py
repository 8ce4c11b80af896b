"""Rounds of a recipe: which sections they become, and what each reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.plan.graph import Graph
from jobs.plan.recipe import make_recipe, read_recipe
from jobs.plan.rounds import expand_rounds
from stages.shared.errors import ConfigError
from tests.jobs.plan.test_graph import build, changed
from tests.journeys.online import write_recipe

SECTIONS: dict[str, Any] = {
    "sft": {"lr": 1},
    "reward": {"preferences": {"first": "from:sample", "online": "from:labels@earlier"}, "start": "from:sft"},
    "ppo": {"stage": "align.ppo", "reward": "from:reward", "snapshots": ["from:sft", "from:ppo@earlier"]},
    "labels": {"answers": "from:ppo", "round": "@round", "deep": {"number": ["@round"]}},
    "exam": {"checkpoints": {"base": "from:sft", "aligned": "from:ppo"}, "all": ["from:ppo@earlier"]},
}
REPEATED = ["reward", "ppo", "labels"]


def expanded(count: int) -> dict[str, Any]:
    return expand_rounds(SECTIONS, {"count": count, "sections": REPEATED})[0]


def test_a_round_reads_its_own_sections_and_those_of_all_earlier_rounds() -> None:
    found = expanded(3)
    assert [*found] == ["sft", "exam", *(f"{name}-{number}" for number in (1, 2, 3) for name in REPEATED)]
    assert found["reward-1"] == {"stage": "reward", "preferences": {"first": "from:sample"}, "start": "from:sft"}
    assert found["reward-3"]["preferences"] == {"first": "from:sample", "online": ["from:labels-1", "from:labels-2"]}
    assert found["ppo-1"]["snapshots"] == ["from:sft"]
    assert found["ppo-3"]["snapshots"] == ["from:sft", "from:ppo-1", "from:ppo-2"]
    assert (found["ppo-2"]["reward"], found["ppo-2"]["stage"]) == ("from:reward-2", "align.ppo")
    assert (found["labels-2"]["round"], found["labels-2"]["deep"]) == (2, {"number": [2]})
    assert found["exam"]["checkpoints"]["aligned"] == "from:ppo-3"
    assert found["exam"]["all"] == ["from:ppo-1", "from:ppo-2"]


def test_one_more_round_adds_sections_and_changes_none() -> None:
    two, three = expanded(2), expanded(3)
    repeated = {name: body for name, body in two.items() if name not in SECTIONS}
    assert all(three[name] == body for name, body in repeated.items())
    assert three.keys() - two.keys() == {"reward-3", "ppo-3", "labels-3"}


@pytest.mark.parametrize(
    ("rounds", "message"),
    [
        ({"count": 0, "sections": REPEATED}, "rounds.count = 0: must be a whole number from 1"),
        ({"count": True, "sections": REPEATED}, "rounds.count = True"),
        ({"count": 2, "sections": ["rewards"]}, "did you mean 'reward'"),
        ({"count": 2, "sections": ["ppo", "ppo"]}, "a list of different sections"),
        ({"count": 2}, "a mapping .for example"),
        (3, "a mapping .for example"),
    ],
)
def test_rounds_that_are_none_are_refused(rounds: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_rounds(SECTIONS, rounds)


def test_names_that_meet_and_earlier_sections_that_are_not_repeated_are_refused() -> None:
    rounds = {"count": 2, "sections": ["ppo"]}
    with pytest.raises(ConfigError, match="ppo-2"):
        expand_rounds({**SECTIONS, "ppo-2": {}}, rounds)
    with pytest.raises(ConfigError, match=r"reward.preferences.online = 'from:labels@earlier'"):
        expand_rounds(SECTIONS, rounds)


def test_targets_resources_and_lists_of_sections_name_all_rounds() -> None:
    recipe = make_recipe(
        {
            "name": "online",
            "targets": ["answers", "report"],
            "resources": {"answers": {"cpus": 2}},
            "rounds": {"count": 2, "sections": ["answers"]},
            "answers": {
                **{"stage": "align.rollout", "policy": "/final", "prompts": "/prompts.jsonl", "limit": 8},
                **{"tokenizer": "/tokenizer.model", "round": "@round", "matrix": {"temperature": [0.0, 1.0]}},
            },
            "report": {"of": ["answers"]},
        }
    )
    names = [f"answers-{number}-temperature-{heat}" for number in (1, 2) for heat in (0, 1)]
    assert recipe.targets == (*names, "report")
    assert [*recipe.resources] == names
    assert recipe.sections["report"].of == names  # type: ignore[attr-defined]
    assert [recipe.sections[name].round for name in names] == [1, 1, 2, 2]  # type: ignore[attr-defined]
    assert "rounds" not in recipe.values


def test_one_more_round_runs_one_more_round_alone_and_shards_change_no_identity(tmp_path: Path) -> None:
    def planned(count: int, shards: int = 2) -> Graph:
        changes = {"ppo": {"rollout_shards": shards}, "answers": {"shards": shards}}
        return build(read_recipe(str(write_recipe(tmp_path, count, changes))))

    two, three = planned(2), planned(3)
    new = changed(two, three)
    assert {name.partition(".")[0].rpartition("-")[2] for name in new} == {"3"}
    wanted = ["ppo-3.sample-1", "ppo-3.learn-1", "ppo-3.sample-2", "ppo-3.learn-2"]
    assert [name for name in new if name.startswith("ppo")] == wanted
    assert len(three.jobs["ppo-3.sample-2"].units) == 2
    assert {*three.jobs["ppo-3.sample-2"].needs} == {"ppo-3.learn-1"}
    assert all("shard" in name or "sample-" in name for name in changed(two, planned(2, shards=5)))
    assert {file.section for file in three.jobs["reward-3.encode"].inputs["preferences"]} == {
        "",
        "labels-1",
        "labels-2",
    }
