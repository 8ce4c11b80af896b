from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document

from stages.text.dedup.block import Signatures, make_method
from stages.text.dedup.minhash import MinHash
from stages.text.dedup.simhash import SimHash
from stages.text.settings import DedupSettings
from stages.text.words.tokens import word_hashes


def test_the_block_works_in_a_pipeline_of_others(tmp_path: Path) -> None:
    method = make_method(DedupSettings())
    documents = [Document(text=f"number {number} of three", id=str(number)) for number in range(3)]
    assert list(Signatures(tmp_path / "a.npy", method).run(iter(documents))) == documents
    signatures = np.load(tmp_path / "a.npy")
    assert signatures.shape == (450, 3)
    for place, doc in enumerate(documents):
        assert np.array_equal(signatures[:, place], method.sign(word_hashes(doc.text)))


@pytest.mark.parametrize(("settings", "kind"), [({}, MinHash), ({"method": "simhash"}, SimHash)])
def test_the_settings_choose_the_method(settings: dict[str, str], kind: type) -> None:
    chosen = DedupSettings(**settings)
    method = make_method(chosen)
    assert isinstance(method, kind)
    assert (method.num_rows, method.num_tables) == (chosen.num_rows, chosen.num_tables)
