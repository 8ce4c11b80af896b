from stages.formats.funnel import StepCount
from stages.report.parts.pages.figures import (
    MAX_DUMPS,
    MAX_REASONS,
    bytes_figure,
    dropped_figure,
    dumps_figure,
    left_figure,
    tokens_figure,
)

FUNNEL = [
    StepCount("read", 100, 90, 9_000, 0, {"not_html": 4, "empty_body": 6}),
    StepCount("extraction", 90, 60, 1_200, 300, {f"reason_{number:02d}": number for number in range(3, 9)} | {"a": 0}),
    StepCount("urls", 60, 60, 1_200, 300, {}),
]
FUNNEL[1].reasons["reason_03"] = 0


def test_every_figure_has_the_steps_in_order_from_the_top() -> None:
    for figure in (left_figure, dropped_figure, bytes_figure, tokens_figure):
        axis = figure(FUNNEL)["layout"]["yaxis"]
        assert axis["categoryarray"] == ["read", "extraction", "urls"]
        assert axis["autorange"] == "reversed"


def test_bars_say_their_numbers() -> None:
    (bars,) = left_figure(FUNNEL)["data"]
    assert bars["x"] == [90, 60, 60]
    assert bars["text"][0].replace("\u202f", " ") == "90 (90.0 %)"
    markup, text = bytes_figure(FUNNEL)["data"]
    assert (markup["x"], text["x"]) == ([9_000, 0, 0], [0, 1_200, 1_200])
    (tokens,) = tokens_figure(FUNNEL)["data"]
    assert (tokens["x"], tokens["text"]) == ([0, 300, 300], ["", "300", "300"])


def test_the_pieces_of_a_step_add_up_to_what_it_dropped_the_commonest_first() -> None:
    *pieces, totals = dropped_figure(FUNNEL)["data"]
    assert [sum(column) for column in zip(*(trace["x"] for trace in pieces), strict=True)] == [10, 30, 0]
    assert totals["text"] == [" 10", " 30", " 0"]
    assert [trace["text"][0] for trace in pieces[:2]] == ["empty_body", "not_html"]
    assert "empty_body: 6 (6.0\u202f% of all)" in pieces[0]["customdata"][0]


def test_rare_reasons_share_a_piece() -> None:
    step = StepCount("quality", 55, 0, 0, 0, {f"r{number}": number for number in range(1, 11)})
    *pieces, _ = dropped_figure([step])["data"]
    assert len(pieces) == MAX_REASONS + 1
    assert (pieces[-1]["text"], pieces[-1]["x"]) == (["4 other reasons"], [10])


def test_the_largest_dumps_have_a_line_each() -> None:
    dumps = {f"dump-{number}": [StepCount("read", 10 + number, 5, 1)] for number in range(12)}
    traces = dumps_figure(FUNNEL, {**dumps, "empty": [], "nothing": [StepCount("read")]})["data"]
    assert [trace["name"] for trace in traces] == [f"dump-{number}" for number in range(11, 11 - MAX_DUMPS, -1)]
    assert traces[0]["x"] == [5 / 21]


def test_a_funnel_without_pages_can_be_drawn() -> None:
    for figure in (left_figure, dropped_figure, bytes_figure, tokens_figure):
        assert figure([StepCount("read")])["layout"]["xaxis"]["range"][1] > 0
