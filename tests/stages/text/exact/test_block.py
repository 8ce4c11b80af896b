from pathlib import Path

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor

from stages.text.blocks.gate import step_count
from stages.text.exact.block import ExactSubstrings
from stages.text.settings import ExactSettings


def words(start: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


def documents() -> list[Document]:
    texts = [
        f"{words(100, 60)}\n{words(0, 55)}",
        f"{words(0, 55)} {words(200, 70)}",
        f"{words(0, 55)} short",
        words(300, 9),
    ]
    return [Document(text=text, id=str(number)) for number, text in enumerate(texts)]


def test_one_block_of_a_plain_pipeline_finds_cuts_drops_and_counts(tmp_path: Path) -> None:
    block = ExactSubstrings(ExactSettings())
    kept: list[Document] = []
    keep = lambda data, rank, world_size: (kept.append(doc) or doc for doc in data)  # noqa: E731
    LocalPipelineExecutor([documents(), block, keep], logging_dir=str(tmp_path)).run()
    assert [doc.text for doc in kept] == [words(100, 60), words(200, 70), words(300, 9)]


def test_the_first_of_several_can_stay() -> None:
    block = ExactSubstrings(ExactSettings(rule="first", min_words=1))
    assert [doc.text for doc in block.run(documents())][:3] == [documents()[0].text, words(200, 70), "short"]
    assert step_count(block).notes == {"documents_cut": 2, "spans_cut": 2, "tokens_cut": 110}


def test_no_document_is_no_error() -> None:
    assert list(ExactSubstrings(ExactSettings()).run([])) == []
