from pathlib import Path

import pytest

from stages.formats.chat.syntheses import Relative, Round, Synthesis, read_synthesis, write_synthesis
from stages.shared.errors import DataError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    family = (Relative(id="s", text="一", how="human"), Relative(id="m", text="二", how="g", round=1, parents=("s",)))
    synthesis = Synthesis(
        method="self_instruct",
        noun="instruction",
        requests={"generate": 2},
        candidates=3,
        kept=2,
        rejected={"too_similar": 1},
        samples=({"reason": "too_similar"},),
        rounds=(Round(candidates=3, kept=2, pool=4),),
        families=(family,),
    )
    write_synthesis(tmp_path / "synthesis.json", synthesis)
    assert read_synthesis(tmp_path / "synthesis.json") == synthesis


@pytest.mark.parametrize("text", ["[]", "{}", '{"rounds": [1]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "synthesis.json").write_text(text)
    with pytest.raises(DataError, match="not a synthesis"):
        read_synthesis(tmp_path / "synthesis.json")
