"""tokenizer.json against SentencePiece, on our model and on LLaMA's with published ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as HfTokenizer

from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.tokenizer.hf import to_tokenizer_json
from tests.stages.tokenizer.texts import PROSE, TRICKY

DATA = Path(__file__).parents[4] / "shared" / "data" / "tokenizer"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")
def test_llamas_own_model_gives_the_published_ids() -> None:
    rows = [json.loads(line) for line in (DATA / "reference_encodings.jsonl").read_text("utf-8").splitlines()]
    hf = HfTokenizer.from_str(to_tokenizer_json((DATA / "llama_tokenizer.model").read_bytes()))
    assert [hf.encode(row["text"]).ids for row in rows] == [row["llama"] for row in rows]


@pytest.mark.parametrize("text", [*TRICKY, *PROSE[:5], "one\u2581two", "\u2581"])
def test_tokenizer_json_gives_the_same_ids(trained: Path, text: str) -> None:
    hf = HfTokenizer.from_file(str(trained.with_name(TOKENIZER_JSON)))
    ids = Tokenizer(trained).encode(text)
    assert hf.encode(text).ids == ids
    assert hf.decode(ids) == Tokenizer(trained).decode(ids)
