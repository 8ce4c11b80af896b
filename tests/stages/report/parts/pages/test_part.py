import pytest

from stages.formats.funnel import StepCount
from stages.report.parts.pages.part import view
from stages.report.parts.pages.read import PageCounts

FUNNEL = [StepCount("read", 100, 90, 9_000, 0, {"not_html": 10}), StepCount("urls", 90, 60, 1_200, 300, {"seen": 30})]


def test_the_cards_are_the_pages_read_and_kept() -> None:
    shown = view(PageCounts(funnel=FUNNEL, by_source={"a": FUNNEL, "b": []}, examples={}, tables=None))
    assert [(card.id, card.value, card.note) for card in shown.cards] == [
        ("pages-in", 100, "from 2 dumps"),
        ("pages-kept", 60, "60.0\u202f% of them; each of the others has a reason"),
    ]
    assert list(shown.figures) == ["chart-left", "chart-dropped", "chart-bytes", "chart-tokens", "chart-dumps"]


@pytest.mark.parametrize("funnel", [[], [StepCount("read")]])
def test_no_pages_have_cards_too(funnel: list[StepCount]) -> None:
    shown = view(PageCounts(funnel=funnel, by_source={"dump": funnel}, examples={}, tables=None))
    assert [(card.value, card.note) for card in shown.cards] == [(0, "from 1 dump"), (0, "of none")]
    assert "chart-dumps" not in shown.figures
