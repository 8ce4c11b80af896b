"""Tools of stages: a verb finds the sections that have it, and shows what they return."""

from __future__ import annotations

from tests.jobs.toy_stage import Toy


def test_a_tool_sees_the_run_as_far_as_it_has_got_and_its_tables_are_printed(toy: Toy) -> None:
    toy.mood("make.1", "fail")
    toy.launch("run")
    before = sorted(toy.run.root.rglob("*"))
    done = toy.launch("tune", "--set", "toy.paces=7", "--set", "toy.units=3")
    assert done.returncode == 0, done.stderr
    title, head, *rows = (line.split() for line in done.stdout.splitlines())
    assert (title, head) == (["toy:", "0", "files"], ["step", "done", "units"])
    assert rows == [
        ["make", "2", "3"],
        ["march", "0", "1"],
        ["gather", "0", "1"],
        ["changes:", "paces"],
        ["paces", "3", "->", "7"],
        ["hello", "0"],
        ["hello", "2"],
    ]
    assert sorted(toy.run.root.rglob("*")) == before


def test_a_tool_is_called_for_every_section_that_has_it(toy: Toy) -> None:
    second = {"stage": "toy", "words": "from:toy", "moods": str(toy.moods)}
    toy.recipe = {"targets": ["second"], "second": second, "other": second}
    assert toy.launch("run").returncode == 0
    said = toy.launch("tune").stdout.splitlines()
    assert [line for line in said if "files" in line] == ["toy: 0 files", "second: 1 files"]


def test_a_tools_refusal_names_the_setting_by_its_section(toy: Toy) -> None:
    toy.launch("run")
    done = toy.launch("tune", "--set", "toy.text=bye")
    assert done.returncode == 2
    assert done.stderr == "launch.py tune: toy.text = 'bye': must be the run's own\n"


def test_a_verb_that_no_section_has_is_refused(toy: Toy) -> None:
    toy.launch("run")
    done = toy.launch("report")
    assert done.returncode == 2
    assert "a run with a section that has `report`" in done.stderr


def test_what_is_no_threshold_is_refused_with_the_command_that_helps(toy: Toy) -> None:
    toy.recipe = {"targets": ["toy"], "other": {"stage": "toy", "moods": str(toy.moods)}}
    toy.launch("run")
    for setting in ("toy.words=/x", "other.paces=2"):
        done = toy.launch("tune", "--set", setting)
        assert done.returncode == 2, done.stdout
        assert f"--set = '{setting}': must be a" in done.stderr
        assert f"--name toy --runs {toy.home}/runs --set {setting}`" in done.stderr
