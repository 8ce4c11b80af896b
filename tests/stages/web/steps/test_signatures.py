from typing import Any

import numpy as np

from stages.shared.contract import shard_dir
from stages.shared.documents import DOCUMENTS, read_documents
from stages.web.config import WebConfig
from stages.web.minhash import MinHash, shingles
from stages.web.steps.signatures import BANDS, PAGES, open_shards
from tests.stages.harness import step_folder


def test_every_page_of_a_shard_has_its_signature_in_order(sample_run: Any) -> None:
    bands = open_shards(step_folder(sample_run.folder, "signatures"), BANDS)
    pages = open_shards(step_folder(sample_run.folder, "signatures"), PAGES)
    assert len(bands) == len(pages) == len(sample_run.warcs)
    minhash = MinHash(*sample_run.config.dedup.shape, sample_run.config.dedup.seed)
    for shard in range(len(bands)):
        documents = list(read_documents(shard_dir(step_folder(sample_run.folder, "filter"), shard) / DOCUMENTS))
        assert bands[shard].shape == (450, len(documents)) and pages[shard].shape == (2, len(documents))
        assert bands[shard].dtype == pages[shard].dtype == np.uint64
        last = minhash.bands(shingles(documents[-1]["text"], WebConfig(inputs="x").dedup.ngram))
        assert np.array_equal(bands[shard][:, -1], last)


def test_shards_are_opened_in_the_order_of_their_numbers(tmp_path: Any) -> None:
    for number in (100_000, 99_999, 0, 2):
        (tmp_path / "shards" / f"{number:05d}").mkdir(parents=True)
        np.save(tmp_path / "shards" / f"{number:05d}" / "x.npy", np.array([number], dtype=np.uint64))
    assert [int(array[0]) for array in open_shards(tmp_path, "x.npy")] == [0, 2, 99_999, 100_000]
