from pathlib import Path

import pytest

from stages.formats.chat.agreements import Agreement, read_agreement, write_agreement
from stages.shared.errors import DataError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = Agreement(
        labellers={"ann": 3, "bo": 2},
        items=3,
        shared=2,
        pairs=2,
        same=0.5,
        nominal=None,
        ordinal=-0.25,
        ties=1,
        reasons={"clearer": 2},
    )
    write_agreement(tmp_path / "agreement.json", found)
    assert read_agreement(tmp_path / "agreement.json") == found


@pytest.mark.parametrize("text", ["[]", "{}", '{"labellers": {}, "more": 1}', "no JSON"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "agreement.json").write_text(text)
    with pytest.raises(DataError, match="not an agreement"):
        read_agreement(tmp_path / "agreement.json")
