"""A teacher's data through the launcher: kills and a teacher that misbehaves change no byte of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.formats.chat.chats import read_chats
from stages.formats.kinds import KINDS
from stages.sample.config import SampleConfig, seeds_name
from stages.shared.contract import InputFile
from stages.synthesize.config import SynthesizeConfig
from tests.journeys.cluster import write_cluster
from tests.launching import launch, unit_files
from tests.stages.harness import Files, run_stage, run_unit, unit_folder
from tests.stages.synthesize.world import answer, write_pool
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

ADDED = 12
STEPS = ("grown.generate", "grown.answer", "evolved.evolve")
CHATS = KINDS.chats.file


class Hanging:
    """A rule of a teacher that never answers its first request, and has a trouble of its own for each of the others."""

    def __init__(self) -> None:
        self._rule = misbehaving(answer)
        self.has_hung = False

    def __call__(self, body: Mapping[str, Any], number: int) -> Reply:
        if not self.has_hung:
            self.has_hung = True
            return Reply(hangs=True)
        return self._rule(body, number)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the world's seed tasks in Chinese and return their path."""
    folder, config = tmp_path_factory.mktemp("world"), SampleConfig(instructions=True)
    run_unit(config, config.plan({}).steps[1], 0, {}, folder)
    return unit_folder(folder, "instructions", 0) / seeds_name("zh")


def sections(seeds: Path, **teacher: Any) -> dict[str, dict[str, Any]]:
    """Return the sections of Self-Instruct on seeds and of Evol-Instruct on its chats; `{}` is a section's name."""
    named = {
        name: {key: value.format(name) if isinstance(value, str) else value for key, value in teacher.items()}
        for name in ("grown", "evolved")
    }
    settings = {"stage": "synthesize", "parameters": {"stop": None}, "shares": 2}
    added = {"instructions": ADDED, "per_round": 2, "language": "zh", "formats": False}
    evol = {"rounds": 2, "language": "zh"}
    return {
        "grown": {**settings, "files": str(seeds), "self_instruct": added, "teacher": named["grown"]},
        "evolved": {**settings, "chats": "from:grown", "evol_instruct": evol, "teacher": named["evolved"]},
    }


def run(name: str, recipe: Mapping[str, Any], folder: Path, *faults: str) -> Path:
    """Run a recipe on this machine and return the folder of the run."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(recipe)))
    planted = [word for fault in faults for word in ("--fault", fault)]
    launch("run", f"{name}.yaml", "--cluster", "local", *planted, runs=folder)
    return folder / name


def run_here(recipe: Mapping[str, Any], seeds: Path, folder: Path) -> list[bytes]:
    """Run both sections in this process, without the launcher, and return the bytes of their files of chats."""
    made: dict[str, Files] = {"chats": ()}
    found = []
    for name, inputs in (("grown", {"files": (InputFile(seeds, ""),)}), ("evolved", made)):
        config = SynthesizeConfig.model_validate({key: value for key, value in recipe[name].items() if key != "stage"})
        made |= run_stage(config, inputs, folder / name)
        found += [file.path.read_bytes() for file in made["chats"]]
    return found


def test_killed_and_with_a_teacher_in_trouble_the_worlds_seeds_grow_to_the_same_bytes_as_in_calm_and_in_a_replay(
    seeds: Path, tmp_path: Path
) -> None:
    asked = {"model": "m", "concurrency": 4, "timeout_s": 4.0}
    kills = ("grown.generate@3:kill", "grown.answer/1@3:kill", "evolved.evolve/0@5:kill")
    with ScriptedTeacher(trouble := Hanging()) as server:
        rough = run("rough", sections(seeds, **asked, url=server.url), tmp_path, *kills)
        charged = server.charged.keys()
    assert trouble.has_hung
    assert len(list((rough / "ledger" / "faults").glob("*.fired"))) == len(kills)
    answers = {"replay": True, "answers": f"{rough}/answers/{{}}", "url": "http://127.0.0.1:9/v1"}
    replay = run("replay", sections(seeds, **asked, **answers), tmp_path)
    assert all(unit_files(rough, step) == unit_files(replay, step) for step in STEPS)
    with ScriptedTeacher(answer) as server:
        calm = run_here(sections(seeds, **asked, url=server.url), seeds, tmp_path / "calm")
        assert server.charged.keys() == charged
    assert calm == [
        data for step in STEPS[1:] for name, data in unit_files(rough, step).items() if Path(name).name == CHATS
    ]
    ways = {
        chat.provenance.get("how")
        for file in rough.rglob(f"grown.answer/*/units/*/{CHATS}")
        for chat in read_chats(file)
    }
    assert ways == {None, "input_first", "output_first"}  # seeds, and what the sorting by output says


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
