"""Counts against a count by hand, by source and language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stages.formats.corpus.compression import read_comparison
from stages.formats.documents import DocumentWriter
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.text.words.tokens import count_words
from stages.tokenizer.compare.config import CompareConfig
from tests.stages.harness import run_stage
from tests.stages.tokenizer.texts import PROSE, train, write_documents

CHINESE = "多佛的面包卖多少钱"


def test_tokens_are_counted_by_source_and_language(documents: InputFile, trained: Path, tmp_path: Path) -> None:
    larger = train(documents, tmp_path / "larger", vocab_size=500)
    with DocumentWriter(tmp_path / "zh.zst") as writer:
        writer.write({"id": "z", "text": CHINESE, "language": "zh"})
    english = replace(write_documents(tmp_path / "en.zst", PROSE), source="prose")
    inputs = {
        "tokenizers": (InputFile(trained, "old"), InputFile(larger, "new")),
        "documents": (english, InputFile(tmp_path / "zh.zst", "web")),
    }
    config = CompareConfig(tokenizers="x", documents="y", max_documents=20)
    found = read_comparison(run_stage(config, inputs, tmp_path / "run")["compression"][0].path)
    groups = [(each.source, each.language, each.documents) for each in found.amounts]
    assert groups == [("prose", "", 20), ("web", "zh", 1)]
    old, new = Tokenizer(trained), Tokenizer(larger)
    assert found.tokenizers["old"].tokens[0] == sum(len(old.encode(text)) for text in PROSE[:20])
    assert found.tokenizers["old"].tokens[1] == len(old.encode(CHINESE))
    assert found.tokenizers["new"].tokens[0] == sum(len(new.encode(text)) for text in PROSE[:20])
    assert found.amounts[0].words == sum(map(count_words, PROSE[:20]))
    assert found.tokenizers["old"].byte_tokens[1] == sum(3 <= number < 259 for number in old.encode(CHINESE)) > 0
    used = {number for text in (*PROSE[:20], CHINESE) for number in old.encode(text)}
    assert found.tokenizers["old"].unused == len(set(range(259, 400)) - used)
    assert found.tokenizers["old"].examples[0] in old.pieces()
