"""Files of each purpose."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from stages.formats.calls.inline import find_calls
from stages.formats.documents import FIELDS, read_documents
from stages.sample.tools.config import MADE, NOTE_TOOLS, Purpose, ToolsConfig
from stages.toolbox.dates import date_in
from tests.stages.harness import run_stage


def made(purpose: str, folder: Path, tool: str = "calculator") -> dict[str, list[Path]]:
    config = ToolsConfig.model_validate({"purpose": purpose, "tool": tool, "count": 8, "repeats": 1})
    return {kind: [file.path for file in files] for kind, files in run_stage(config, {}, folder).items()}


def test_each_purpose_writes_what_it_offers_and_the_same_again(tmp_path: Path) -> None:
    for purpose in get_args(Purpose):
        one, two = (made(purpose, tmp_path / f"{purpose}-{time}") for time in range(2))
        assert sum(map(len, one.values())) == len(MADE[purpose])
        for kind, paths in one.items():
            assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in two[kind]]


def test_notes_are_plain_and_half_of_the_demonstrations_begin_with_their_call(tmp_path: Path) -> None:
    paths = [path for tool in NOTE_TOOLS for path in made("notes", tmp_path / tool, tool)["documents"]]
    plain = [each for path in paths for each in read_documents(path)]
    assert len(plain) == 8 * len(NOTE_TOOLS)
    assert all(sorted(each) == sorted(FIELDS) and date_in(each["url"]) for each in plain)
    assert not [each for each in plain if [*find_calls(each["text"])]]
    (path,) = made("demonstrations", tmp_path / "shown")["documents"]
    begins = [next(find_calls(each["text"])).start == 0 for each in read_documents(path)]
    assert begins == [False, True] * (len(plain) // 2)
