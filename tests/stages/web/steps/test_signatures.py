from pathlib import Path

import numpy as np
import pytest

from stages.text.dedup.block import make_method
from stages.text.words.tokens import word_hashes
from stages.web.artifacts import BANDS
from stages.web.config import WebConfig
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
