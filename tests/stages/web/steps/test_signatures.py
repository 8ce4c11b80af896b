from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document

from stages.web.config import WebConfig
from stages.web.near import make_method
from stages.web.steps.signatures import BANDS, Signatures
from stages.web.words import word_hashes
from tests.stages.harness import unit_folder
from tests.stages.web.fuzzy import random_text, run_all, write_filtered


@pytest.mark.parametrize("dedup", [{}, {"preset": "fineweb"}, {"method": "simhash"}])
def test_every_page_of_a_unit_has_its_signature_in_order(tmp_path: Path, dedup: dict[str, str]) -> None:
    random = np.random.default_rng(1)
    texts = [" ".join(random_text(random, words)) for words in (0, 1, 30, 400, 900)]
    write_filtered(tmp_path, [texts, []])
    config = WebConfig(inputs="x", dedup=dedup)
    run_all(config, tmp_path, "signatures", 2, ("filter",), {})
    bands = [np.load(unit_folder(tmp_path, "signatures", place) / BANDS) for place in (0, 1)]
    rows = config.dedup.num_rows
    assert [array.shape for array in bands] == [(rows, 5), (rows, 0)]
    method = make_method(config.dedup)
    for place, text in enumerate(texts):
        assert np.array_equal(bands[0][:, place], method.sign(word_hashes(text)))


def test_the_block_works_in_a_pipeline_of_others(tmp_path: Path) -> None:
    method = make_method(WebConfig(inputs="x").dedup)
    documents = [Document(text=f"number {number} of three", id=str(number)) for number in range(3)]
    assert list(Signatures(tmp_path / "a.npy", method).run(iter(documents))) == documents
    assert np.load(tmp_path / "a.npy").shape == (450, 3)
