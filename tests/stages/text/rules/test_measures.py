import numpy as np
from datatrove.data import Document

from stages.text.rules.measures import MEASURES, Measure, measure, measure_tokens, row_of
from stages.text.words.stop_words import shipped
from stages.text.words.tokens import split, tokens
from tests.stages.text.hostile import texts


def test_white_space_around_a_text_does_not_count() -> None:
    for text in texts(seed=3, count=100):
        assert measure(f" \n\n{text}\t\n", "en") == measure(text, "en")


def test_a_text_split_by_somebody_else_has_the_same_row() -> None:
    for text in texts(seed=4, count=300):
        stripped = text.strip()
        own = measure(stripped, "en")
        given = measure_tokens(stripped, tokens(stripped), split(stripped).kinds > 0, "en")
        same = [name for name in MEASURES.names if name not in ("characters", "char_ngrams", "frequent_char_ngrams")]
        assert [own[name] for name in same] == [given[name] for name in same]


def test_rows_become_an_array_and_come_back_from_a_file(tmp_path) -> None:
    rows = [measure(text, language, 0.75) for text in ("Ten words", "手机", "") for language in ("en", "zho_Hans", "")]
    np.save(tmp_path / "rows.npy", np.array(rows, dtype=MEASURES), allow_pickle=False)
    stored = np.load(tmp_path / "rows.npy", mmap_mode="r", allow_pickle=False)
    assert stored.tolist() == [row.item() for row in rows]
    assert stored["language"].tolist() == [b"en", b"zho_Hans", b""] * 3
    assert set(stored["language_score"].tolist()) == {0.75}


def test_the_block_gives_every_page_its_row() -> None:
    docs = [Document(text="Two words.", id="", metadata={"language": "en", "language_score": 0.5})]
    docs.append(Document(text="", id=""))
    found = list(Measure().run(iter(docs)))
    assert [doc.metadata["token_count"] for doc in found] == [3, 0]
    assert found[0].metadata["measures"] == measure("Two words.", "en", 0.5)


def test_a_page_without_a_row_is_measured_and_not_marked() -> None:
    doc = Document(text="the words of", id="")
    assert row_of(doc, shipped())["stop_words"] == 2
    assert doc.metadata == {}
    doc.metadata["measures"] = measure("stored", "en")
    assert row_of(doc, shipped())["words"] == 1
