"""The page in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.formats.kinds import KINDS
from stages.report.collect import collect
from stages.report.page import render
from stages.report.parts.table import PARTS
from stages.shared.contract import InputFile
from tests.stages.report.browser import CHROMIUM, DRIVER, Browser
from tests.stages.report.journey import START, made, make_run, write_attempt, write_curves
from tests.stages.report.test_page import HOSTILE, hostile_page

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
    texts = browser.devtools("DOMSnapshot.captureSnapshot", computedStyles=[])["strings"]
    assert "Every checkpoint against chance and against the untrained model" in texts
    assert any(text.startswith("0.956") for text in texts)  # acc_norm, which stands in the table alone
