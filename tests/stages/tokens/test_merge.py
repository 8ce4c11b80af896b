"""The tokens stage through its contract: every document is encoded or held out, whatever the split into files."""

from __future__ import annotations

from pathlib import Path

from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.formats.documents import read_documents
from stages.formats.heldout import is_heldout
from stages.formats.token_counts import read_token_counts
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.files import sha256_file
from stages.tokens.config import dataset_name
from tests.stages.tokens.corpora import TEXTS, encode


def texts_in(tokenizer: InputFile, merged: Path, source: str) -> list[str]:
    reader = Tokenizer(tokenizer.path)
    dataset = IndexedDataset(str((merged / dataset_name(source)).with_suffix("")))
    ends = [ids[-1] for ids in dataset]
    assert set(ends) <= {reader.eos_id}
    return [reader.decode(ids[:-1]) for ids in dataset]


def test_every_document_is_in_its_source_or_held_out(tokenizer: InputFile, tmp_path: Path) -> None:
    layout = {"CC-2024-10": [TEXTS[:100], TEXTS[100:150]], 'a/b "quoted"\n..': [TEXTS[150:]]}
    merged = encode(tmp_path, tokenizer, layout)
    heldout = [document["id"] for document in read_documents(merged / "heldout.jsonl.zst")]
    assert heldout == [name for name, _ in TEXTS if is_heldout(name, 0.1)]
    assert 10 < len(heldout) < 60
    counts = read_token_counts(merged / "token_counts.json")
    for source, parts in layout.items():
        kept = [text for part in parts for name, text in part if name not in heldout]
        assert texts_in(tokenizer, merged, source) == kept
        ids = [Tokenizer(tokenizer.path).encode(text) for text in kept]
        assert counts[source]["tokens"] == sum(len(i) + 1 for i in ids)
        assert counts[source]["documents"] == len(kept)
    assert sum(entry["heldout_documents"] for entry in counts.values()) == len(heldout)


def test_bytes_do_not_depend_on_the_sharding(tokenizer: InputFile, tmp_path: Path) -> None:
    one = encode(tmp_path / "one", tokenizer, {"s": [TEXTS]})
    many = encode(tmp_path / "many", tokenizer, {"s": [TEXTS[:7], [], TEXTS[7:200], TEXTS[200:]]})
    names = sorted(path.name for path in one.iterdir())
    assert names == ["heldout.jsonl.zst", "token_counts.json", "tokens-s.bin", "tokens-s.idx"]
    assert [sha256_file(one / name) for name in names] == [sha256_file(many / name) for name in names]


def test_a_source_without_documents_is_an_empty_dataset(tokenizer: InputFile, tmp_path: Path) -> None:
    merged = encode(tmp_path, tokenizer, {"full": [TEXTS[:3]], "empty": [[]]}, heldout=0.0)
    assert (merged / dataset_name("empty")).stat().st_size == 0
    assert read_token_counts(merged / "token_counts.json")["empty"]["tokens"] == 0
