"""A teacher's data made by an array on a real Slurm: a killed element changes no byte of it."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.journeys.cluster import write_cluster
from tests.launching import launch, unit_files
from tests.stages.synthesize.world import answer, write_pool
from tests.stages.teacher.scripted import ScriptedTeacher, misbehaving


def test_an_array_with_a_killed_element_evolves_to_the_bytes_of_this_machine(
    testbed: dict[str, str], tmp_path: Path
) -> None:
    write_pool(tmp_path / "pool.jsonl", 8)
    with ScriptedTeacher(misbehaving(answer)) as server:
        teacher = {"url": server.url, "model": "m", "requests_per_minute": 6000, "concurrency": 4}
        evolved = {
            "stage": "synthesize",
            "chats": str(tmp_path / "pool.jsonl"),
            "evol_instruct": {"rounds": 2},
            "teacher": teacher,
            "shares": 2,
        }
        (tmp_path / "evol.yaml").write_text(yaml.safe_dump({"evolved": evolved}))
        launch("run", "evol.yaml", "--cluster", "local", "--name", "here", runs=tmp_path)
        cluster = str(write_cluster(tmp_path))
        kill = ("--fault", "evolved.evolve/1@3:kill")
        launch("run", "evol.yaml", "--cluster", cluster, "--name", "there", "--wait", *kill, runs=tmp_path)
    here, there = (unit_files(tmp_path / name, "evolved.evolve") for name in ("here", "there"))
    assert len(list((tmp_path / "there" / "ledger" / "faults").glob("*.fired"))) == 1
    assert len(here) == 6
    assert there == here
