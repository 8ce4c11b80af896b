from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.token_counts import write_token_counts
from stages.report.part import Material, Missing
from stages.report.parts.tokens.part import show, view
from tests.stages.report.journey import START, made


def test_the_card_has_the_sum_over_the_sources() -> None:
    one = {"documents": 2, "tokens": 30_000, "heldout_documents": 1}
    (card,) = view({"a": one, "b": one}).cards
    assert (card.value, card.text, card.note) == (60_000, "60\u202fk", "2 documents held out")


def test_a_file_without_sources_is_nothing_to_show(tmp_path: Path) -> None:
    write_token_counts(tmp_path / "counts", {})
    files = (made(KINDS.token_counts, "tokens", tmp_path / "counts"),)
    shown = show(Material(section="tokens", files=files, run_dir=tmp_path, made=START))
    assert shown == Missing(label="Not run yet", reason="section tokens has counted no source")
