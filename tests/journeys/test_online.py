"""A round of online alignment as arrays on a real Slurm, killed in a shard, in the learner, and in the labeller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from stages.align.ppo.config import PpoConfig
from stages.align.rollout.config import RolloutConfig
from stages.formats.kinds import KINDS
from stages.model import parallel
from stages.sample.label.config import LabelConfig
from stages.shared.contract import InputFile
from tests.journeys.cluster import write_cluster
from tests.journeys.online import write_recipe, write_world
from tests.launching import launch, unit_dir
from tests.stages.harness import run_stage
from tests.stages.train.equal import same_files

KILLS = ("ppo.sample-1/1@2:kill", "ppo.learn-1@1:kill", "answers.shard/0@1:kill", "labels:kill")
ROUND: dict[str, dict[str, Any]] = {
    "ppo": {"policy": None, "reward": None, "advantages": "group", "samples": 2, "prompts_per_round": 8, "steps": 2},
    "answers": {"policy": "from:ppo", "limit": 8, "round": 1},
}
"""Of one round, with a rule in place of the reward model."""


def recipe_of(folder: Path) -> Path:
    """Write the recipe of the round's sections alone; return its path."""
    rule = folder / "rule.json"
    rule.write_text('{"per_token": -1.0}', "utf-8")
    path = write_recipe(folder, 1, {**ROUND, "ppo": {**ROUND["ppo"], "rule": str(rule)}})
    whole = yaml.safe_load(path.read_text("utf-8"))
    sections = {name: whole[name] for name in ("about", "ppo", "answers", "labels")}
    sections["ppo"] = {name: value for name, value in sections["ppo"].items() if value is not None}
    path.write_text(yaml.safe_dump(sections), "utf-8")
    return path


def run_here(recipe: Path, folder: Path) -> dict[str, Path]:
    """Run the sections in this process, with other shards; return the folder of each one's last unit."""
    found = yaml.safe_load(recipe.read_text("utf-8"))
    files = {"tokenizer": (InputFile(recipe.parent / KINDS.tokenizer.file, "", count=400),)}
    files["prompts"] = (InputFile(recipe.parent / "prompts.jsonl", "prompts"),)
    files["rule"] = (InputFile(recipe.parent / "rule.json", ""),)
    given = {name: {key: value for key, value in found[name].items() if key != "stage"} for name in ROUND}
    try:
        learned = run_stage(PpoConfig(**{**given["ppo"], "rollout_shards": 1}), files, folder / "ppo")
        final = next(each for each in learned["checkpoint"] if each.path.name == "final")
        files["policy"] = (InputFile(final.path, "final"),)
        sampled = run_stage(RolloutConfig(**{**given["answers"], "shards": 1}), files, folder / "answers")
    finally:
        torch.use_deterministic_algorithms(False)
        parallel.stop()
    answers = {"answers": tuple(InputFile(each.path, "final") for each in sampled["rollouts"])}
    labelled = run_stage(LabelConfig(answers="x"), answers, folder / "labels")
    return {
        "ppo.learn-1": final.path.parent,
        "answers": sampled["rollouts"][0].path.parent,
        "labels": labelled["preferences"][0].path.parent,
    }


def test_a_round_as_arrays_ends_with_the_bytes_of_this_process_through_kills(
    testbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, cluster = recipe_of(write_world(tmp_path, 1)), str(write_cluster(tmp_path))
    kills = [word for kill in KILLS for word in ("--fault", kill)]
    launch("run", str(recipe), "--cluster", cluster, "--name", "round", "--wait", *kills, runs=tmp_path)
    here = run_here(recipe, tmp_path / "here")
    run = tmp_path / "round"
    assert len([*(run / "ledger" / "faults").glob("*.fired")]) == len(KILLS)
    learned = unit_dir(run, "ppo.learn-1")
    assert same_files(learned / "final", here["ppo.learn-1"] / "final")
    assert (learned / KINDS.rounds.file).read_bytes() == (here["ppo.learn-1"] / KINDS.rounds.file).read_bytes()
    for job in ("answers", "labels"):
        assert same_files(unit_dir(run, job), here[job]), job
    labels = (unit_dir(run, "labels") / KINDS.preferences.file).read_text("utf-8").splitlines()
    assert all(json.loads(line)["ranked_by"] == "gold" for line in labels)
