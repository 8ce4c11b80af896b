from collections import Counter
from typing import Any

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.formats.tables import read_tables
from stages.web.artifacts import MEASURES
from tests.stages.harness import all_units, unit_folder


def test_each_document_has_one_row_of_measures_with_its_label(sample_run: Any) -> None:
    for folder in all_units(sample_run.folder, "extract"):
        documents = list(read_documents(folder / KINDS.documents.file))
        rows = MEASURES.load(folder)
        assert len(rows) == len(documents) > 100
        assert [row.decode() for row in rows["language"]] == [document["language"] for document in documents]
        assert rows["chars"].tolist() == [len(document["text"]) for document in documents]


def test_the_table_of_hosts_counts_every_page_that_was_read(sample_run: Any) -> None:
    folder = unit_folder(sample_run.folder, "extract", 0)
    tables = read_tables(folder / KINDS.tables.file)
    read = sum(row.pages_read for _, row in tables.hosts()) + tables.other.pages_read
    assert read == sum(row.pages_read for _, row in tables.languages())
    labels = Counter(document["language"] for document in read_documents(folder / KINDS.documents.file))
    known = {language: row.pages_read for language, row in tables.languages() if language}
    assert known == labels
