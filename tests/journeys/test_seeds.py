"""A teacher's data from the sample world's seeds: kills and a teacher that misbehaves change no byte of it."""

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
from tests.launching import launch, unit_files
from tests.stages.harness import Files, run_stage, run_unit, unit_folder
from tests.stages.synthesize.world import answer
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

ADDED = 12
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


def run_here(recipe: Mapping[str, Any], seeds: Path, folder: Path) -> list[bytes]:
    """Run both sections in this process, without the launcher, and return the bytes of their files of chats."""
    made: list[bytes] = []
    inputs: dict[str, Files] = {"files": (InputFile(seeds, ""),)}
    for name in ("grown", "evolved"):
        settings = {key: value for key, value in recipe[name].items() if key != "stage"}
        chats = run_stage(SynthesizeConfig.model_validate(settings), inputs, folder / name)["chats"]
        made += [file.path.read_bytes() for file in chats]
        inputs = {"chats": chats}
    return made


def test_killed_and_with_a_teacher_in_trouble_the_worlds_seeds_grow_to_the_bytes_of_calm_and_of_a_replay(
    seeds: Path, tmp_path: Path
) -> None:
    asked = {"model": "m", "concurrency": 4, "timeout_s": 4.0}
    kills = ("grown.generate@2:kill", "grown.answer/1@3:kill")
    with ScriptedTeacher(trouble := Hanging()) as server:
        (tmp_path / "rough.yaml").write_text(yaml.safe_dump(sections(seeds, **asked, url=server.url)))
        planted = [word for kill in kills for word in ("--fault", kill)]
        launch("run", "rough.yaml", "--cluster", "local", *planted, runs=tmp_path)
        charged = server.charged.keys()
    run = tmp_path / "rough"
    assert trouble.has_hung
    assert len(list((run / "ledger" / "faults").glob("*.fired"))) == len(kills)
    rough = [
        data
        for step in ("grown.answer", "evolved.evolve")
        for name, data in unit_files(run, step).items()
        if Path(name).name == CHATS
    ]
    with ScriptedTeacher(answer) as server:
        assert run_here(sections(seeds, **asked, url=server.url), seeds, tmp_path / "calm") == rough
        assert server.charged.keys() == charged
    offline = {"url": server.url, "replay": True, "answers": f"{run}/answers/{{}}"}
    assert run_here(sections(seeds, **asked, **offline), seeds, tmp_path / "replay") == rough
    files = run.glob(f"steps/grown.answer/*/units/*/{CHATS}")
    ways = {chat.provenance.get("how") for file in files for chat in read_chats(file)}
    assert ways == {None, "input_first", "output_first"}  # seeds, and what the sorting by output says
