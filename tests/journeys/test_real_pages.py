"""Real pages take the same way as made-up ones: 607 of them, as far as 50 steps of training."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from tests.launching import DATA, launch, metrics, unit_dir

PAGES = DATA / "web" / "pages.warc.gz"


@pytest.mark.skipif(not PAGES.exists(), reason=f"the real pages are not here ({PAGES})")
def test_real_pages_become_a_model(tmp_path: Path) -> None:
    settings = (
        f"web.inputs={PAGES}",
        "web.language.languages=null",
        "tokenizer.vocab_size=2000",
        "pretrain.steps=50",
        "pretrain.warmup_steps=10",
        "targets=[pretrain]",
    )
    said = launch("run", "pretrain", "--cluster", "local", "--name", "real", *flags(settings), runs=tmp_path).stdout
    assert "real is finished" in said
    losses = [record["loss"] for record in metrics(tmp_path / "real", "pretrain")]
    assert len(losses) == 50
    assert losses[0] == pytest.approx(math.log(2048), abs=0.6)  # near uniform over the padded vocabulary
    assert sum(losses[-10:]) / 10 < losses[0] - 1
    assert len(list(read_documents(unit_dir(tmp_path / "real", "web.documents") / KINDS.documents.file))) > 300


def flags(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]
