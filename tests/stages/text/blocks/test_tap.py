from datatrove.data import Document

from stages.text.blocks.tap import Tap


def test_a_tap_sees_each_page_before_it_passes() -> None:
    seen: list[str] = []
    pages = [Document(text="x", id=name) for name in "abc"]
    through = Tap("look", lambda doc: seen.append(doc.id)).run(iter(pages))
    assert next(through) is pages[0] and seen == ["a"]
    assert list(through) == pages[1:] and seen == ["a", "b", "c"]
