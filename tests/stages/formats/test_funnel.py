from pathlib import Path

import pytest

from stages.formats.funnel import StepCount, merge, read_funnel, write_funnel
from stages.shared.errors import DataError

URL = StepCount("url", pages_in=10, pages_out=7, bytes=700, reasons={"domain": 2, "word": 1}, reason_bytes={"word": 5})
TEXT = StepCount("text", pages_in=7, pages_out=7, bytes=70, tokens=12, notes={"lines_removed": 3})


def test_what_is_written_is_read_again_in_the_same_order(tmp_path: Path) -> None:
    write_funnel(tmp_path / "funnel.json", [URL, TEXT])
    assert read_funnel(tmp_path / "funnel.json") == [URL, TEXT]


def test_merging_adds_counts_and_keeps_the_order_of_steps() -> None:
    other = StepCount("url", pages_in=1, pages_out=0, reasons={"word": 1}, reason_bytes={"word": 4})
    total = merge([[URL, TEXT], [other], []])
    assert [step.name for step in total] == ["url", "text"]
    assert total[0] == StepCount("url", 11, 7, 700, 0, {"domain": 2, "word": 2}, reason_bytes={"word": 9})
    assert total[1] == TEXT
    assert URL.reasons == {"domain": 2, "word": 1}, "merging must not change its input"


def test_merging_does_not_depend_on_the_order_of_units() -> None:
    a, b = [StepCount("x", 2, 1, 5, 2, {"r": 1})], [StepCount("x", 3, 1, 6, 3, {"q": 1, "r": 1})]
    assert merge([a, b]) == merge([b, a])


def test_a_page_lost_without_a_reason_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step url: 3 pages dropped"):
        write_funnel(tmp_path / "funnel.json", [StepCount("url", 10, 7, 0, 0, {"domain": 2})])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"steps": 3}',
        '{"steps": [{"pages_in": 3}]}',
        '{"steps": [{"name": "a", "pages_in": "3"}]}',
        '{"steps": [{"name": "a", "pages_in": 3, "reasons": {"x": 1}}]}',
        '{"steps": [{"name": "a", "colour": 3}]}',
    ],
)
def test_what_is_no_funnel_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "funnel.json").write_text(text)
    with pytest.raises(DataError, match=r"funnel\.json.*Run the unit that wrote it again"):
        read_funnel(tmp_path / "funnel.json")
