"""A glob that finds more files or fewer: with real processes, and byte for byte what a fresh run makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.toy_stage import Toy

LETTERS = ("a", "b", "d")


@pytest.fixture
def growing(toy: Toy) -> Toy:
    """Return a toy that makes a unit of each file of letters."""
    for letter in LETTERS:
        write(toy, letter)
    toy.settings = {"letters": str(toy.home / "letters" / "*.txt")}
    return toy


def write(toy: Toy, letter: str) -> Path:
    path = toy.home / "letters" / f"{letter}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{letter}\n", encoding="utf-8")
    return path


def new_calls(toy: Toy, verb: str = "run") -> dict[str, int]:
    """Return the calls that one more launch makes, by step and place."""
    before = toy.calls()
    done = toy.launch(verb)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(toy.calls() - before)


def fresh(toy: Toy, folder: Path) -> str:
    """Return what a run that starts with these files gathers."""
    other = Toy(toy.root, folder, settings=toy.settings)
    assert other.launch("run").returncode == 0
    return other.gathered()


def whole(letters: str) -> str:
    return "".join(f"hello {letter}/{letter}.txt\n{letter}\n" for letter in letters) + "3 paces\n"


def test_more_files_fewer_files_and_the_first_ones_again(growing: Toy, tmp_path: Path) -> None:
    new_calls(growing)
    assert growing.gathered() == whole("abd")

    added = write(growing, "c")
    planned = {job["job"]: job for job in json.loads(growing.launch("plan", "--json").stdout)["jobs"]}
    assert (planned["toy.make"]["units"], planned["toy.make"]["to_do"]) == (4, 1)
    assert planned["toy.make"]["why"] == "3 of 4 units reused; to do: c/c.txt"
    assert planned["toy.gather"]["why"] == "runs again after toy.make, toy.march"
    assert new_calls(growing) == {"make.2": 1, "march.0": 1, "gather.0": 1}
    assert growing.gathered() == whole("abcd") == fresh(growing, tmp_path / "fresh")

    added.unlink()
    assert new_calls(growing) == {}, "the first set is there already, with all that was made of it"

    (growing.home / "letters" / "d.txt").unlink()
    assert new_calls(growing) == {"march.0": 1, "gather.0": 1}, "nothing but the steps that read all"
    assert growing.gathered() == whole("ab")

    write(growing, "d")
    assert new_calls(growing) == {}
    status = growing.status()
    assert status["finished"]
    assert status["jobs"]["toy.make"]["counts"] == {"done": 3}


def test_a_changed_file_runs_its_own_unit_again_and_its_old_bytes_stay(growing: Toy) -> None:
    new_calls(growing)
    write(growing, "b").write_text("bee\n", encoding="utf-8")
    assert new_calls(growing) == {"make.1": 1, "march.0": 1, "gather.0": 1}
    assert growing.gathered() == whole("abd").replace("\nb\n", "\nbee\n")
    write(growing, "b")
    assert new_calls(growing) == {}


def test_a_renamed_folder_runs_nothing(growing: Toy) -> None:
    new_calls(growing)
    (growing.home / "letters").rename(growing.home / "elsewhere")
    growing.settings["letters"] = str(growing.home / "elsewhere" / "?.txt")
    assert new_calls(growing) == {}


def test_files_that_come_while_a_run_is_under_way_are_taken_up_by_the_next_call(growing: Toy) -> None:
    growing.mood("march.0", "rest 1")
    launcher = growing.begin("run")
    until(lambda: growing.paces() >= 1, "the march has begun")
    write(growing, "c")
    growing.mood("march.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert "c\n" not in growing.gathered()
    assert new_calls(growing) == {"make.2": 1, "march.0": 1, "gather.0": 1}
    assert growing.gathered() == whole("abcd")
