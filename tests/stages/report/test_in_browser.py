"""The page in a real browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.formats.kinds import KINDS
from stages.formats.results import Base
from stages.report.collect import collect
from stages.report.page import render
from stages.report.parts.table import PARTS
from stages.shared.contract import InputFile
from tests.stages.report.browser import CHROMIUM, DRIVER, PATIENCE_S, Browser
from tests.stages.report.journey import START, made, make_run, write_attempt, write_curves
from tests.stages.report.test_page import HOSTILE, hostile_page
from tests.stages.report.training_scores import write_training_scores

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here: apt install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def page_about(folder: Path, files: tuple[InputFile, ...]) -> str:
    now = START + 264
    return render(folder.name, now, collect(files, folder, now, PARTS))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "a run"
    path = folder.parent / "report.html"
    path.write_text(page_about(folder, make_run(folder)), encoding="utf-8")
    return path


def check_layout(browser: Browser, width: int) -> None:
    assert browser.ask("return innerWidth") == width
    assert browser.ask("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 400])
def test_values_are_read_from_the_page_and_nothing_overflows_or_is_loaded(
    browser: Browser, page: Path, width: int
) -> None:
    browser.requests()
    browser.open(page, width)
    assert browser.value("#pages-in") == "2400"
    assert browser.value("#pages-kept") == browser.value("#funnel tbody tr:last-child [data-name=out]") == "1448"
    assert browser.value("#funnel [data-step=urls] [data-name=tokens]") == str(1448 * 700)
    assert browser.value("#reasons [data-reason=near_duplicate] [data-value]") == "300"
    assert browser.value("#hosts [data-name='www.host-0.example'] [data-value]") is not None
    assert browser.value("#languages [data-name=en] [data-value]") is not None
    assert browser.value("#tokens-total") == "681122"
    score = "#scores [data-task=facts][data-metric=acc][data-source=final] [data-label=Score]"
    assert browser.value(score) == browser.value("#score") == "0.96875"
    assert browser.value("#left-out [data-step='150'] [data-value]") == "spike"
    assert browser.value("#ranks tbody tr:first-child td[data-value]") == "0.4"
    assert browser.value("#layers [data-name='layers.3'] [data-name=activation_rms]") == "5.0"
    assert browser.value("#memory") == "1212.0"
    assert browser.value("#speed") is not None
    assert browser.value("#best") is not None
    assert browser.value("#jobs [data-job=pretrain] [data-label=Attempts]") == "3"
    check_layout(browser, width)
    assert browser.ask("return document.querySelectorAll('[data-figure] svg.main-svg').length") >= 10
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]


def test_two_trainings_are_drawn_one_after_the_other(browser: Browser, tmp_path: Path) -> None:
    files = []
    for section, steps in (("single", 300), ("parallel", 260)):
        (tmp_path / section).mkdir()
        files.append(made(KINDS.metrics, section, write_curves(tmp_path / section, steps)))
    path = tmp_path / "report.html"
    path.write_text(page_about(tmp_path, tuple(files)), encoding="utf-8")
    browser.open(path, 1280)
    titles = "return [...document.querySelectorAll('h2')].map((one) => one.textContent)"
    assert browser.ask(titles) == ["Training: single", "Training: parallel", "Jobs and attempts"]
    for figure in ("chart-loss", "chart-loss-2", "chart-metric-memory-mb-2"):
        assert browser.ask(f"return document.querySelectorAll('#{figure} svg.main-svg').length") >= 1
    assert browser.value("#loss-last") != browser.value("#loss-last-2")
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    path = folder / "report.html"
    files = write_training_scores(
        folder / "run",
        bases={"final": Base("step-3200", is_chosen=False), "step-1600": Base("step-800", is_chosen=False)},
    )
    path.write_text(page_about(folder / "run", files), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 400])
def test_the_leaderboard_sorts_by_a_column_and_back(browser: Browser, scores: Path, width: int) -> None:
    def order() -> list[str]:
        rows: list[str] = browser.ask(
            "return [...document.querySelectorAll('#board tbody.sorted tr')].map((row) => row.dataset.source)"
        )
        return rows

    def click(column: int) -> str:
        head = f"document.querySelector('#board thead').rows[0].cells[{column}]"
        browser.ask(f"{head}.querySelector('button').click()")
        direction: str = browser.ask(f"return {head}.getAttribute('aria-sort')")
        return direction

    browser.requests()
    browser.open(scores, width)
    first = order()
    assert (first[0], first[-1]) == ("final", "untrained")
    assert click(1) == "descending"
    assert (order()[0], order()[-1]) == ("step-3200", "untrained")
    assert click(1) == "ascending"
    assert order()[0] == "untrained"
    assert (click(0), order()) == ("ascending", first)
    assert browser.value("#board [data-model='LLaMA 65B'] [data-value]") == "0.789"
    check_layout(browser, width)
    assert browser.complaints() == []
    assert browser.requests() == [scores.as_uri()]


def choose(browser: Browser, select: str, value: str) -> None:
    """Choose an option as a reader does."""
    change = f"it.value = {value!r}; it.dispatchEvent(new Event('change'))"
    browser.ask(f"const it = document.querySelector('select[{select}]'); {change}")


def visible(browser: Browser, place: str, *names: str) -> list[list[str]]:
    """Return data attributes of the elements of a list that are not hidden."""
    values = ", ".join(f"one.dataset.{name}" for name in names)
    found: list[list[str]] = browser.ask(
        f"return [...document.querySelectorAll('#{place} > :not([hidden])')].map((one) => [{values}])"
    )
    return found


def test_two_checkpoints_are_chosen_and_the_worse_task_is_named(browser: Browser, scores: Path) -> None:
    browser.open(scores, 1280)
    verdict = "#duels > :not([hidden]) [data-task={}] [data-label=Verdict]"
    assert visible(browser, "duels", "one", "other") == [["final", "step-3200"]]
    assert browser.value(verdict.format("arc_easy")) == "worse"
    assert browser.value(verdict.format("piqa")) == "unclear"
    choose(browser, "data-chooses=duels", "1")
    assert visible(browser, "duels", "one", "other") == [["final", "untrained"]]
    assert browser.value(verdict.format("piqa")) == "better"


def test_flipped_samples_are_filtered_and_open_at_the_question(browser: Browser, scores: Path) -> None:
    browser.open(scores, 400)
    assert len({task for (task,) in visible(browser, "flips", "task")}) == 5
    choose(browser, "data-by=task", "mmlu")
    found = visible(browser, "flips", "task", "change")
    assert sorted({*map(tuple, found)}) == [("mmlu", "lost"), ("mmlu", "won")]
    choose(browser, "data-by=change", "lost")
    assert {*map(tuple, visible(browser, "flips", "task", "change"))} == {("mmlu", "lost")}
    flip = "document.querySelector('#flips > :not([hidden])')"
    browser.ask(f"{flip}.open = true")
    place = f"const sent = {flip}.querySelector('.sent'), end = sent.getBoundingClientRect().bottom;"
    assert browser.ask(f"{place} return sent.querySelector('pre').getBoundingClientRect().bottom - end < 20") is True
    assert browser.ask(f"return {flip}.querySelectorAll('tbody tr').length") == 4
    check_layout(browser, 400)


def test_the_cost_of_fine_tuning_is_chosen_and_its_questions_open(browser: Browser, scores: Path) -> None:
    browser.open(scores, 400)
    assert visible(browser, "tax", "one", "other") == [["final", "step-3200"]]
    place = "#tax > :not([hidden]) [data-task=arc_easy]"
    assert browser.value(f"{place} [data-label=Verdict]") == "worse"
    won, lost = (browser.value(f"{place} [data-label={label}]") for label in ("Won", "Lost"))
    assert int(lost or 0) > int(won or 0) > 0
    items = "document.querySelector('#tax > :not([hidden]) details.items[data-task=arc_easy]')"
    browser.ask(f"{items}.open = true; {items}.querySelector('.flip').open = true")
    assert browser.ask(f"return {items}.querySelector('.flip tbody').checkVisibility()") is True
    check_layout(browser, 400)
    choose(browser, "data-chooses=tax", "1")
    assert visible(browser, "tax", "one", "other") == [["step-1600", "step-800"]]


def test_curves_are_drawn_with_fits_where_points_support_them(browser: Browser, scores: Path) -> None:
    browser.open(scores, 1280)
    exponent = "return document.querySelector('.fit[data-task={}]').dataset.exponent ?? null"
    assert float(browser.ask(exponent.format("piqa"))) < -0.1
    assert browser.ask(exponent.format("mmlu")) is None
    assert browser.ask("return document.querySelectorAll('[data-figure^=chart-curve] svg.main-svg').length") >= 5


def test_a_dropped_page_opens_with_its_text(browser: Browser, page: Path) -> None:
    browser.open(page, 400)
    details = "document.querySelector('details[data-reason=\"blocked_domain\"]')"
    assert browser.ask(f"return {details}.querySelector('pre').checkVisibility()") is False
    browser.ask(f"{details}.querySelector('summary').click()")
    assert browser.ask(f"return {details}.querySelector('pre').checkVisibility()") is True
    check_layout(browser, 400)


def test_figures_follow_the_dark_scheme(browser: Browser, page: Path) -> None:
    ask = "return document.querySelector('#chart-left .bars path').style.fill"
    browser.open(page, 1280)
    light = browser.ask(ask)
    browser.open(page, 1280, dark=True)
    assert browser.ask(ask) != light


@pytest.mark.parametrize("width", [1280, 400])
def test_hostile_texts_run_nothing_and_break_nothing(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(hostile_page().encode("utf-8", errors="replace"))
    browser.requests()
    browser.open(path, width)
    browser.ask("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    check_layout(browser, width)
    assert browser.ask("return window.hit ?? null") is None
    assert browser.ask("return document.querySelectorAll('main img, main iframe, main script').length") == 0
    assert browser.ask("return document.querySelector('details pre').textContent").startswith(HOSTILE[0])
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]


def test_two_thousand_attempts_are_drawn(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    for number in range(1000):
        write_attempt(folder, "wide", number, 0.01 * number, {"ended": 100 + number % 7})
        write_attempt(
            folder,
            "long",
            number,
            200 + number,
            {"ended": 201 + number, "verdict": "failed" if number % 100 == 0 else "done"},
        )
    (tmp_path / "report.html").write_text(page_about(folder, ()), encoding="utf-8")
    shutil.rmtree(folder)
    browser.open(tmp_path / "report.html", 1280)
    assert browser.value("#attempts") == "2000"
    assert browser.ask("return document.querySelector('#chart-timeline').getBoundingClientRect().height") < 1000
    assert browser.ask("return document.querySelectorAll('#troubles li').length") == 10
    assert browser.complaints() == []


def test_tables_are_there_without_script(browser: Browser, page: Path) -> None:
    browser.open(page, 400, script=False)
    deadline = time.monotonic() + PATIENCE_S
    texts: list[str] = []
    while len(texts) < 100 and time.monotonic() < deadline:  # without script the page cannot say when it is there
        texts = browser.devtools("DOMSnapshot.captureSnapshot", computedStyles=[])["strings"]
    assert "Every checkpoint against chance and against the untrained model" in texts
    assert any(text.startswith("0.956") for text in texts)  # acc_norm, which stands in the table alone
