"""Identity of input files: their content, whole or sampled, and not their place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs.plan.identity import changed_files, file_identity
from jobs.plan.inputs import external_files
from stages.shared import files as shared_files
from stages.shared.contract import InputFile
from tests.jobs.made import write_tree


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_tree(tmp_path, {f"{folder}/{number}.warc.gz": f"{folder}{number}" for folder in "ab" for number in (2, 0, 1)})
    return tmp_path


def test_identity_is_content_and_name_not_place_or_time(data: Path) -> None:
    (data / "c").mkdir()
    shutil.copyfile(data / "a/1.warc.gz", data / "c/1.warc.gz")
    here, there = (InputFile(data / folder / "1.warc.gz", "s") for folder in "ac")
    assert file_identity(here) == file_identity(there)
    (data / "c/1.warc.gz").write_text("a2")
    assert file_identity(here) != file_identity(there)


def test_a_folders_identity_is_that_of_all_files_in_it(data: Path) -> None:
    folder = InputFile(data / "a", "s")
    before = file_identity(folder)
    (data / "a/1.warc.gz").rename(data / "a/9.warc.gz")
    assert file_identity(folder) != before


def test_a_large_file_is_sampled_at_head_middle_and_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_files, "WHOLE", 999)
    monkeypatch.setattr(shared_files, "SAMPLE", 10)
    path = tmp_path / "large"

    def identity(changed: int | None = None, size: int = 1000) -> list[str]:
        content = bytearray(size)
        if changed is not None:
            content[changed] = 1
        path.write_bytes(content)
        return file_identity(InputFile(path, "s"))

    whole = identity()
    assert all(identity(at) != whole for at in (0, 505, 999))
    assert identity(size=1001) != whole
    assert identity(250) == whole, "not sampled there, as the README says"


def test_files_that_changed_since_they_were_planned_are_found(data: Path) -> None:
    found = external_files({"s": f"{data}/a/*.warc.gz"}, "web.inputs")
    rows = {each.file.where: each.identity[2] for each in found}
    assert changed_files(rows) == []
    first = min(rows)
    Path(first).write_bytes(b"other")
    assert changed_files(rows) == [first]
    Path(first).unlink()
    assert changed_files(rows) == [first]
