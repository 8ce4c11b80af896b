from datatrove.data import Document

from stages.formats.funnel import StepCount
from stages.text.blocks.gate import NOTE, Gate, set_text, step_count
from stages.text.blocks.rejects import Rejects


class Colour(Gate):
    name = "colour"

    def reason(self, doc: Document) -> str | None:
        self.stat_update(f"{NOTE}seen")
        return None if doc.text == "blue" else f"is_{doc.text}"


def documents(*texts: str) -> list[Document]:
    return [Document(text=text, id=str(number), metadata={"url": text}) for number, text in enumerate(texts)]


def test_a_gate_counts_what_it_drops_by_reason() -> None:
    gate = Colour()
    passed = list(gate.run(iter(documents("blue", "red", "green", "red", "blue"))))
    assert [doc.text for doc in passed] == ["blue", "blue"]
    dropped, held = {"is_green": 1, "is_red": 2}, {"is_green": 5, "is_red": 6}
    assert step_count(gate) == StepCount("colour", 5, 2, 8, 0, dropped, {"seen": 5}, held)


def test_tokens_are_counted_where_they_are_known() -> None:
    gate, pages = Colour(), documents("blue", "red")
    for page, tokens in zip(pages, (7, 9), strict=True):
        set_text(page, page.text, tokens)
    list(gate.run(iter(pages)))
    assert (step_count(gate).tokens, step_count(gate).reason_tokens) == (7, {"is_red": 9})


def test_a_gate_without_pages_is_a_step_of_zeros() -> None:
    assert step_count(Colour()) == StepCount("colour")


def test_a_gate_hands_what_it_drops_to_the_rejects() -> None:
    rejects = Rejects(per_reason=5)
    list(Colour(rejects).run(iter(documents("blue", "red"))))
    assert list(rejects._samples) == [("colour", "is_red")]
