import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.sample.pages import BLOCKED_DOMAINS
from stages.text.compiled.cache import cache_folder
from stages.web.urls import blocklist
from stages.web.urls.blocklist import HashSet, ut1

ROOT = Path(__file__).parents[4]


def test_the_list_has_its_millions_and_those_the_sample_uses(tmp_path: Path) -> None:
    domains = ut1(tmp_path)
    assert len(domains) > 4_500_000
    assert all(domain in domains for domain in BLOCKED_DOMAINS)
    assert not any(name in domains for name in ("", "example", "gazette.example", "wikipedia.org", "berlin.de"))
    assert not list(tmp_path.iterdir()), "the cache folder holds it, not the work folder"


def test_hashes_are_sorted_and_different(tmp_path: Path) -> None:
    hashes = np.asarray(ut1(tmp_path)._hashes, dtype="<u8")
    assert bool((hashes[1:] > hashes[:-1]).all())


def test_the_ends_of_the_list_are_found_and_what_lies_beyond_is_not(tmp_path: Path) -> None:
    names = [f"host{number}" for number in range(100)]
    np.sort(np.array([blocklist._hash(name) for name in names], dtype="<u8")).tofile(tmp_path / "x")
    few = HashSet(tmp_path / "x")
    assert all(name in few for name in names)
    assert not any(f"other{number}" in few for number in range(1_000))


def test_a_file_that_another_process_has_put_there_first_is_not_replaced(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
        blocklist._put(tmp_path / name, tmp_path / "list")
    assert (tmp_path / "list").read_text() == "first"


def test_without_hard_links_the_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "aside").write_text("x")
    blocklist._put(tmp_path / "aside", tmp_path / "list")
    assert (tmp_path / "list").read_text() == "x"


def test_the_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STAGECOACH_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("STAGECOACH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "stagecoach"


def test_a_cache_that_cannot_be_written_gives_way_to_the_work_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("STAGECOACH_CACHE", str(tmp_path / "a file" / "below"))
    monkeypatch.setattr(blocklist, "_hashes", lambda archive: iter([blocklist._hash("b"), blocklist._hash("a")]))
    (tmp_path / "work").mkdir()
    assert "a" in ut1(tmp_path / "work")
    assert len(list((tmp_path / "work").iterdir())) == 1


def test_processes_that_build_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stages.web.urls import blocklist;"
        "blocklist._hashes = lambda archive: iter(range(300_000));"
        "assert len(blocklist.ut1(Path(sys.argv[1]))) == 300_000"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {"STAGECOACH_CACHE": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    running = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert len(list((tmp_path / "cache").iterdir())) == 1
