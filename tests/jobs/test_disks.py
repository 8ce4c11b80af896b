"""Disks that are full or read-only, for real: each record, log and output that finds no room ends in a sentence."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.disks import mounted
from tests.jobs.toy_stage import Toy

FULL = "the disk is full. Free some space, or use another folder"
WHOLE = "hello 0\nhello 1\nhello 2\n3 paces\n"


def fills(toy: Toy, folder: Path) -> None:
    """Let the march fill the file system of a folder, and not try again in vain."""
    toy.mood("march.0", f"once fill {folder}")
    toy.recipe["resources"] = {"toy.march": {"max_stalls": 0}}


def heals(toy: Toy, folder: Path) -> bool:
    """Return whether a run goes on to its end once there is room in a folder."""
    (folder / "ballast").unlink()
    return toy.launch("heal").returncode == 0 and toy.gathered() == WHOLE


@pytest.mark.parametrize("part", ["steps", "ledger/attempts"])
def test_an_output_or_a_record_that_finds_no_room_is_a_sentence_with_its_file(toy: Toy, part: str) -> None:
    folder = toy.run.root / part
    with mounted(folder, "512k"):
        fills(toy, folder)
        done = toy.launch("run")
        assert (done.returncode, done.stderr) == (1, "")
        reason = rf"toy.march/all (failed|lost).*: (crash loop.* the last )?{folder}/toy.march/\S+: {FULL}"
        for text in (done.stdout, toy.launch("status").stdout):
            assert re.search(reason, text), text
        assert heals(toy, folder)


def test_a_log_that_finds_no_room_costs_its_messages_and_not_the_work(toy: Toy) -> None:
    folder = toy.run.root / "logs"
    with mounted(folder, "512k"):
        fills(toy, folder)
        done = toy.launch("run")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert toy.calls() == {"make.0": 1, "make.1": 1, "make.2": 1, "march.0": 1, "gather.0": 1}


def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(toy: Toy) -> None:
    root = toy.run.root
    with mounted(root, "1m"):
        refused = toy.launch("run")
        assert re.fullmatch(rf"launch.py run: .*{root}/\S+: {FULL}\n", refused.stderr), refused.stderr
        subprocess.run(["mount", "-o", "remount,size=32m", root], check=True)
        fills(toy, root)
        done = toy.launch("run")
        assert (done.returncode, len(done.stderr.splitlines())) in ((1, 0), (2, 1)), done.stderr
        status = toy.launch("status")
        assert (status.returncode, status.stderr) == (1, "")
        assert re.search(r"toy.march/all (failed|lost).* the disk (of the run )?is full", status.stdout), status.stdout
        assert heals(toy, root)


def test_a_read_only_run_can_be_seen_and_what_writes_names_the_file_and_asks_for_no_room(toy: Toy) -> None:
    toy.mood("march.0", "fail")
    toy.recipe["resources"] = {"toy.march": {"max_stalls": 0}}
    assert toy.launch("run").returncode == 1
    with mounted(toy.run.root, "ro"):
        status = toy.launch("status")
        assert (status.returncode, status.stderr) == (1, "")
        assert "toy.march/all failed" in status.stdout
        assert toy.launch("logs", "toy.march").returncode == 0
        for verb in (("run",), ("heal",), ("cancel",), ("prune", "--yes")):
            done = toy.launch(*verb)
            remedy = "the file system is read-only. Use a folder that can be written"
            assert re.fullmatch(rf"launch.py {verb[0]}: {toy.run.root}/\S+: {remedy}\n", done.stderr), done.stderr
            assert done.returncode == 2
