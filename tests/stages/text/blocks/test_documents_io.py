from pathlib import Path

import numpy as np
from datatrove.data import Document

from stages.formats.documents import read_documents
from stages.text.blocks.documents_io import ReadDocuments, WriteDocuments
from stages.text.rules.measures import MEASURES, measure


def test_documents_come_back_with_their_measures_as_they_were_written(tmp_path: Path) -> None:
    texts = ["One good page.", "Zwei, später.", ""]
    pages = [
        Document(
            text, str(n), metadata={"url": "u", "language": "en", "language_score": 0.9, "source": "s", "dump": "d"}
        )
        for n, text in enumerate(texts)
    ]
    assert list(WriteDocuments(tmp_path / "x.zst").run(iter(pages))) == pages
    done: list[int] = []
    rows = np.array([measure(text, "en") for text in texts], dtype=MEASURES)
    back = list(ReadDocuments(tmp_path / "x.zst", rows, done.append).run())
    assert [doc.text for doc in back] == texts and [doc.id for doc in back] == ["0", "1", "2"]
    assert [doc.metadata["token_count"] for doc in back] == [4, 4, 0]
    assert back[0].metadata["measures"] == rows[0] and back[0].metadata["language_score"] == 0.9
    assert done == [1, 2, 3]
    bare = list(ReadDocuments(tmp_path / "x.zst").run())
    assert [doc.metadata["token_count"] for doc in bare] == [4, 4, 0]
    assert [doc.metadata["number"] for doc in bare] == [0, 1, 2] and "measures" not in bare[0].metadata
    assert len(list(read_documents(tmp_path / "x.zst"))) == 3
