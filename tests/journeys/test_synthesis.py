"""Instructions on a real Slurm: a teacher's data, tasks in words, and a fine-tuning on both.

Every step is an array with a killed element. That changes no byte of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journeys.cluster import crashes, exit_codes, write_cluster
from tests.launching import attempts, launch, unit_dir, unit_files
from tests.stages.align.sft.world import SETTINGS, write_world
from tests.stages.synthesize.world import answer, write_pool
from tests.stages.teacher.scripted import ScriptedTeacher, misbehaving

FILES = {"add": ("a", "b"), "double": ("c",)}
"""Tasks, and their files."""
KILLED = {"evolved.evolve": 3, "asked.render": 20, "asked.mix": 0, "tuned.encode": 30}
"""Steps, and the progress at which one of their elements is killed."""


def write_tasks(folder: Path) -> dict[str, list[str]]:
    """Write the files of the tasks and return their paths."""
    for task, names in FILES.items():
        for name in names:
            rows = ({"question": f"{task} {name} to {n}", "answer": f"{name} {n}"} for n in range(40))
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {task: [str(folder / f"{name}.jsonl") for name in names] for task, names in FILES.items()}


def write_recipe(folder: Path, url: str) -> Path:
    """Write the recipe, with all that it reads, and return its path."""
    write_pool(folder / "pool.jsonl", 8)
    (tokenizer,) = (str(file.path) for file in write_world(folder / "world")["tokenizer"])
    templates = {"mixture": "all", "templates": ["question_answer"]}
    recipe: dict[str, Any] = {
        "resources": {name: {"units_per_element": 1} for name in ("evolved", "asked", "tuned")},
        "evolved": {
            "stage": "synthesize",
            "chats": str(folder / "pool.jsonl"),
            "evol_instruct": {"rounds": 2},
            "teacher": {"url": url, "model": "m", "requests_per_minute": 6000, "concurrency": 4},
            "shares": 2,
        },
        "asked": {
            "stage": "instruct",
            "files": write_tasks(folder),
            "tokenizer": tokenizer,
            "tasks": dict.fromkeys(FILES, templates),
            "mixtures": {"all": {"share": 1}},
            "draws": 100,
            "shares": 2,
        },
        "tuned": {
            "stage": "align.sft",
            "chats": {"evolved": "from:evolved", "asked": "from:asked"},
            "tokenizer": tokenizer,
            "too_long": "cut",
            **SETTINGS,
            "steps": 2,
        },
    }
    path = folder / "instructions.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture(scope="module")
def runs(testbed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run the recipe on this machine, and with kills on the testbed; return both folders."""
    folder = tmp_path_factory.mktemp("instructions")
    kills = [word for job, progress in KILLED.items() for word in ("--fault", f"{job}/1@{progress}:kill")]
    with ScriptedTeacher(misbehaving(answer)) as server:
        recipe, cluster = str(write_recipe(folder, server.url)), str(write_cluster(folder))
        launch("run", recipe, "--cluster", "local", "--name", "here", runs=folder)
        launch("run", recipe, "--cluster", cluster, "--name", "there", "--wait", *kills, runs=folder)
    return folder / "here", folder / "there"


@pytest.mark.parametrize("job", KILLED)
def test_a_step_with_a_killed_element_has_the_bytes_of_this_machine(runs: tuple[Path, Path], job: str) -> None:
    here, there = (unit_files(run, job) for run in runs)
    assert here
    assert there == here
    tries = attempts(runs[1], job)
    assert crashes(exit_codes(tries)) == 1
    assert len({(each.name.key, each.name.element) for each in tries}) > 1, "several elements"


def test_the_fine_tuning_on_what_they_made_ends_with_the_weights_of_this_machine(runs: tuple[Path, Path]) -> None:
    here, there = ((unit_dir(run, "tuned.sft") / "weights.sha256").read_text() for run in runs)
    assert there == here
