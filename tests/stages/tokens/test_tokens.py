"""The tokens stage through its contract."""

from pathlib import Path

import numpy as np
import pytest
from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.shared.contract import InputFile
from stages.shared.documents import DocumentWriter, read_documents
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from stages.shared.token_counts import read_token_counts
from stages.shared.tokenizer import Tokenizer
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from stages.tokens.config import TokensConfig, dataset_name
from stages.tokens.encode import is_heldout
from stages.tokens.indexed import DatasetWriter
from tests.stages.harness import run_stage

Documents = list[tuple[str, str]]
TEXTS: Documents = [(f"doc-{n}", f"Document {n} says: {'word ' * (n % 7)}😀\n") for n in range(300)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train([text for _, text in TEXTS], TokenizerConfig(documents="unused", vocab_size=300)))
    return InputFile(path, "")


def write(path: Path, documents: Documents) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with DocumentWriter(path) as writer:
        for name, text in documents:
            writer.write({"id": name, "text": text})
    return path


def files_of(folder: Path, layout: dict[str, list[Documents]]) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(write(folder / f"{i}" / f"{j}.jsonl.zst", documents), source)
        for i, (source, parts) in enumerate(layout.items())
        for j, documents in enumerate(parts)
    )


def encode(folder: Path, tokenizer: InputFile, layout: dict[str, list[Documents]], **settings: float) -> Path:
    config = TokensConfig(documents="unused", tokenizer="unused", **{"heldout": 0.1, **settings})
    inputs = {"documents": files_of(folder / "in", layout), "tokenizer": (tokenizer,)}
    outputs = run_stage(config, inputs, folder / "run")
    assert [file.source for file in outputs["tokens"]] == list(layout)
    return outputs["token_counts"][0].path.parent


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


@pytest.mark.parametrize(("vocab_size", "dtype"), [(300, np.uint16), (65_500, np.int32)])
def test_ids_take_the_smallest_type_that_holds_the_vocabulary(tmp_path: Path, vocab_size: int, dtype: type) -> None:
    with DatasetWriter(tmp_path / "x.bin", vocab_size) as writer:
        writer.write([vocab_size - 1, 0, 2])
    dataset = IndexedDataset(str(tmp_path / "x"))
    assert dataset[0].dtype == dtype
    assert dataset[0].tolist() == [vocab_size - 1, 0, 2]


def test_nothing_is_held_out_at_zero_and_the_share_is_kept() -> None:
    ids = [f"id-{n}" for n in range(20_000)]
    assert not any(is_heldout(i, 0.0) for i in ids)
    assert 0.045 < sum(is_heldout(i, 0.05) for i in ids) / len(ids) < 0.055
    assert {i for i in ids if is_heldout(i, 0.01)} <= {i for i in ids if is_heldout(i, 0.05)}


def test_a_source_without_documents_is_an_empty_dataset(tokenizer: InputFile, tmp_path: Path) -> None:
    merged = encode(tmp_path, tokenizer, {"full": [TEXTS[:3]], "empty": [[]]}, heldout=0.0)
    assert (merged / dataset_name("empty")).stat().st_size == 0
    assert read_token_counts(merged / "token_counts.json")["empty"]["tokens"] == 0


def test_a_document_without_an_id_is_named(tokenizer: InputFile, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.zst"
    with DocumentWriter(path) as writer:
        writer.write({"id": "fine", "text": "x"})
        writer.write({"text": "y"})
    config = TokensConfig(documents="unused", tokenizer="unused")
    with pytest.raises(DataError, match=r"bad\.jsonl\.zst, record 2: a document without an id"):
        run_stage(config, {"documents": (InputFile(path, "s"),), "tokenizer": (tokenizer,)}, tmp_path / "run")
