"""Files outside the run: which ones a pattern means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.plan.identity import file_identity
from jobs.plan.inputs import external_files
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.jobs.made import write_tree

ROOT = Path(__file__).parents[3]
HOSTILE = "a 'b' \"c\"\n$(touch pwned) [1-2] *.gz"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_tree(tmp_path, {f"{dump}/{number}.warc.gz": f"{dump}{number}" for dump in "ab" for number in (2, 0, 1)})
    return tmp_path


def files(value: Any, setting: str = "x", archive: str | None = None) -> list[InputFile]:
    return [each.file for each in external_files(value, setting, archive)]


def names(found: list[InputFile], folder: Path) -> list[str]:
    return [str(file.path.relative_to(folder)) for file in found]


def test_a_glob_gives_sorted_files(data: Path) -> None:
    assert names(files(f"{data}/a/*.gz"), data) == ["a/0.warc.gz", "a/1.warc.gz", "a/2.warc.gz"]


def test_a_list_keeps_the_order_of_its_patterns(data: Path) -> None:
    found = files([f"{data}/b/*0*", f"{data}/a/*0*"])
    assert names(found, data) == ["b/0.warc.gz", "a/0.warc.gz"]


def test_a_mapping_names_the_sources_in_sorted_order(data: Path) -> None:
    found = files({"two": f"{data}/b/1*", "one": [f"{data}/a/1*", f"{data}/a/2*"]})
    assert [(file.source, file.path.name) for file in found] == [
        ("one", "1.warc.gz"),
        ("one", "2.warc.gz"),
        ("two", "1.warc.gz"),
    ]


def test_a_file_without_a_named_source_is_its_own_up_to_the_first_dot(data: Path) -> None:
    assert files(f"{data}/a/1.warc.gz")[0].source == "1"


def test_two_stars_reach_into_folders(data: Path) -> None:
    assert len(files(f"{data}/**/*.gz")) == 6


def test_relative_patterns_start_here(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    assert names(files("a/0*"), data) == ["a/0.warc.gz"]


def test_a_file_that_exists_is_taken_by_its_name_however_that_looks(tmp_path: Path) -> None:
    (tmp_path / HOSTILE).write_text("x")
    assert files(str(tmp_path / HOSTILE))[0].path.name == HOSTILE


def test_what_python_caches_beside_code_is_no_input_and_changes_no_identity(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("a: 1")
    (tmp_path / "mine.py").write_text("x = 1")
    before = files(f"{tmp_path}/*"), file_identity(InputFile(tmp_path, ""))
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "mine.cpython-311.pyc").write_bytes(b"x")
    assert (files(f"{tmp_path}/*"), file_identity(InputFile(tmp_path, ""))) == before
    assert [file.path.name for file in files(f"{tmp_path}/**")] == [tmp_path.name, "mine.py", "mine.yaml"]


def test_a_link_keeps_its_own_name(data: Path) -> None:
    (data / "dump.warc.gz").symlink_to(data / "a/1.warc.gz")
    found = files(f"{data}/dump*")[0]
    assert (found.source, found.path.name) == ("dump", "dump.warc.gz")


@pytest.mark.parametrize("pattern", ["nothing/*.gz", "nothing"])
def test_a_pattern_that_matches_nothing_is_an_error_with_the_working_directory(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.inputs .*seen from /"):
        external_files(pattern, "web.inputs")


def test_the_identity_of_each_file_comes_with_it(data: Path) -> None:
    found = external_files(f"{data}/*/*.gz", "x")
    assert [each.identity for each in found] == [file_identity(each.file) for each in found]


def test_crawl_files_below_a_folder_named_after_a_dump_are_of_that_dump(tmp_path: Path) -> None:
    write_tree(tmp_path, {"CC-MAIN-2024-10/00000.warc.gz": "", "CC-MAIN-20240301-00001.warc.gz": ""})
    assert [file.source for file in files([f"{tmp_path}/*/*.gz", f"{tmp_path}/*.gz"], archive="/")] == [
        "CC-MAIN-2024-10",
        "CC-MAIN-20240301-00001",
    ]


def test_a_folder_or_pipe_is_refused_before_anything_is_queued(data: Path) -> None:
    os.mkfifo(data / "pipe")
    with pytest.raises(ConfigError, match=r"web\.inputs .*/a'.* a file, not a folder"):
        files(str(data / "a"), "web.inputs", archive="/")
    with pytest.raises(ConfigError, match=r"web\.inputs .*/pipe.* a file that can be read twice"):
        files(str(data / "pipe"), "web.inputs")
    assert files(str(data / "a"))[0].path.is_dir(), "other inputs may be folders"


def test_files_and_folders_without_permission_are_named(data: Path) -> None:
    for name in ("a/1.warc.gz", "b"):
        (data / name).chmod(0)
    data.chmod(0o755)
    probe = """if 1:
        import os, sys
        from jobs.plan.inputs import external_files
        from stages.shared.errors import ConfigError
        if os.geteuid() == 0:  # permissions do not bite for root
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
        for pattern in sys.argv[1:]:
            try:
                external_files(pattern, "web.inputs")
            except ConfigError as error:
                print(error)
    """
    opened = [folder for folder in data.parents if not folder.stat().st_mode & 0o001]
    for folder in opened:
        folder.chmod(0o711)
    command = [sys.executable, "-c", probe, str(data / "a/1.warc.gz"), str(data / "b/1.warc.gz")]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    (data / "b").chmod(0o755)
    assert said.stdout.count("Permission denied") == 2, said.stderr
    assert "a/1.warc.gz': must be" in said.stdout and "b/1.warc.gz" in said.stdout


def test_a_link_to_nothing_and_a_name_that_is_no_utf8_are_named_with_their_setting(data: Path) -> None:
    (data / "a" / "gone.warc.gz").symlink_to("/nowhere/x")
    for pattern in (f"{data}/a/*.warc.gz", f"{data}/a/gone.warc.gz"):
        with pytest.raises(ConfigError, match=r"web\.inputs = .*gone\.warc\.gz.*target /nowhere/x is missing"):
            external_files(pattern, "web.inputs", "https://there/")
    (data / "a" / "gone.warc.gz").unlink()
    (data / "a" / os.fsdecode(b"\xff.warc.gz")).write_bytes(b"x")
    with pytest.raises(ConfigError, match="files whose names are UTF-8"):
        external_files(f"{data}/a/*", "web.inputs", "https://there/")


@pytest.mark.parametrize("pattern", ["CC-MAIN-2024-10[::0]", "x.paths[::0]"])
def test_a_part_with_a_step_of_zero_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="a step of at least 1"):
        external_files(pattern, "web.inputs", "https://there/")


@pytest.mark.parametrize("pattern", ["~nobodyx/y", "~nobodyx/y.paths"])
def test_a_home_that_is_not_there_is_a_sentence(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.inputs = .*this user has no home folder"):
        external_files(pattern, "web.inputs", "https://there/")


def test_a_url_that_cannot_be_read_is_named_with_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"web\.inputs = 'https://': must be a URL with a host"):
        external_files("https://", "web.inputs", "https://there/")
