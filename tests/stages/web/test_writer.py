from pathlib import Path

from datatrove.data import Document

from stages.formats.documents import read_documents
from stages.web.measures import measure
from stages.web.writer import ReadDocuments, WriteDocuments


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
    rows = [measure(text, "en") for text in texts]
    back = list(ReadDocuments(tmp_path / "x.zst", rows, done.append).run())
    assert [doc.text for doc in back] == texts and [doc.id for doc in back] == ["0", "1", "2"]
    assert [doc.metadata["token_count"] for doc in back] == [4, 4, 0]
    assert back[0].metadata["measures"] is rows[0] and back[0].metadata["language_score"] == 0.9
    assert done == [1, 2, 3]
    assert len(list(read_documents(tmp_path / "x.zst"))) == 3
