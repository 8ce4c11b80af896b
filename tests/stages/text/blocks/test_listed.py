from datatrove.data import Document

from stages.text.blocks.gate import step_count
from stages.text.blocks.listed import ListedPages


def test_listed_pages_are_dropped_with_their_reasons() -> None:
    block = ListedPages("dedup", {0: "near_duplicate", 2: "seen_before"})
    pages = [Document(text="x", id=str(number), metadata={"number": number}) for number in range(4)]
    assert [doc.id for doc in block.run(iter(pages))] == ["1", "3"]
    count = step_count(block)
    assert count.name == "dedup" and count.reasons == {"near_duplicate": 1, "seen_before": 1}
