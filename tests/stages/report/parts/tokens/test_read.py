from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.token_counts import write_token_counts
from stages.report.part import Material
from stages.report.parts.tokens.read import read
from tests.stages.report.journey import START, made


def test_counts_of_several_files_are_summed_by_source(tmp_path: Path) -> None:
    counts = {"documents": 2, "tokens": 30, "heldout_documents": 1}
    write_token_counts(tmp_path / "one", {"a": counts})
    write_token_counts(tmp_path / "two", {"a": counts, "b": counts})
    files = tuple(made(KINDS.token_counts, "tokens", tmp_path / name) for name in ("one", "two"))
    total = read(Material(section="tokens", files=files, run_dir=tmp_path, made=START))
    assert total == {"a": {"documents": 4, "tokens": 60, "heldout_documents": 2}, "b": counts}
