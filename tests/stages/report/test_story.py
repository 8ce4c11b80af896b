from pathlib import Path

from stages.report.collect import collect
from stages.report.comparison import compare
from stages.report.story import tell
from stages.report.timeline import lay_out
from tests.stages.report.journey import START, make_run
from tests.stages.report.test_render import empty_data


def test_the_story_of_a_whole_run(tmp_path: Path) -> None:
    data = collect(make_run(tmp_path / "run"), tmp_path / "run", START + 264)
    cards = tell(data, compare(data.results), lay_out(data.attempts, data.made))
    assert [(card.id, card.value) for card in cards if card.id != "loss-last"] == [
        ("pages-in", 2400), ("pages-kept", 1448), ("tokens-total", 681_122), ("score", 0.96875), ("attempts", 28),
    ]  # fmt: skip
    assert cards[4].note == "chance 0.250; untrained 0.231"
    assert cards[5].note == "28 attempts of 8 jobs, 2 in trouble"


def test_the_story_of_an_empty_run_has_no_values() -> None:
    assert {card.value for card in tell(empty_data(), [], None)} == {""}
