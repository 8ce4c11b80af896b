"""tokenizer.json against SentencePiece on LLaMA's own model and published ids."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as HfTokenizer

from stages.tokenizer.hf import to_tokenizer_json

DATA = Path(__file__).parents[4] / "shared" / "data" / "tokenizer"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")
def test_llamas_own_model_gives_the_published_ids() -> None:
    rows = [json.loads(line) for line in (DATA / "reference_encodings.jsonl").read_text("utf-8").splitlines()]
    hf = HfTokenizer.from_str(to_tokenizer_json((DATA / "llama_tokenizer.model").read_bytes()))
    assert [hf.encode(row["text"]).ids for row in rows] == [row["llama"] for row in rows]
