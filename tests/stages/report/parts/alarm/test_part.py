from pathlib import Path

import pytest

from stages.formats.alarms import AlarmReport, Drop, Night, write_alarm
from stages.formats.kinds import KINDS
from stages.report.part import Material
from stages.report.parts.alarm.part import MAX_NIGHTS, show, view
from stages.shared.errors import DataError
from tests.stages.report.journey import START, made
from tests.stages.report.test_page import HOSTILE, page_of, parse

DROP = Drop(task="piqa", loss=0.03, stderr=0.007, p=0.0002)
NIGHTS = (
    Night(checkpoint="step-1", state="early", drops=(), reference=()),
    Night(checkpoint="step-2", state="watch", drops=(DROP,), reference=("step-1",)),
    Night(checkpoint="step-3", state="alarm", drops=(DROP,), reference=("step-1",)),
)


def test_the_newest_night_is_the_card_and_the_first_row(tmp_path: Path) -> None:
    write_alarm(tmp_path / "alarm.json", AlarmReport(nights=NIGHTS, flipped={"piqa": ("a", "b")}))
    files = (made(KINDS.alarm, "alarm", tmp_path / "alarm.json"),)
    shown = show(Material(section="alarm", files=files, run_dir=tmp_path, made=START))
    (card,) = shown.cards
    assert (card.text, card.value, card.note) == ("alarm", "alarm", "piqa")
    page = page_of(alarm=shown)
    assert page.index('data-checkpoint="step-3"') < page.index('data-checkpoint="step-2"')
    assert "piqa: 2 samples" in page
    assert "<code>alarm.json</code>" in page


def test_a_series_without_a_night_has_an_empty_card() -> None:
    assert view(AlarmReport(nights=()), "alarm.json").cards[0].value == ""


def test_a_year_of_nights_and_hostile_names_are_bounded_and_harmless() -> None:
    nights = tuple(
        Night(checkpoint=text, state="alarm", drops=(Drop(task=text, loss=1.0, stderr=0.0, p=0.0),), reference=(text,))
        for text in HOSTILE * 50
    )
    page = page_of(alarm=view(AlarmReport(nights=nights, flipped=dict.fromkeys(HOSTILE, HOSTILE * 20)), HOSTILE[0]))
    elements = parse(page)
    assert elements.handlers == []
    assert not {"script", "img", "svg"} & set(elements.tags)
    assert page.count("data-checkpoint=") == MAX_NIGHTS


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "alarm.json").write_text("{}")
    files = (made(KINDS.alarm, "alarm", tmp_path / "alarm.json"),)
    with pytest.raises(DataError, match=r"alarm\.json"):
        show(Material(section="alarm", files=files, run_dir=tmp_path, made=START))
