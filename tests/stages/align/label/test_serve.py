"""The page's server over HTTP, and the page in a real browser: keyboard, blinded order, kill, hostile text."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.align.label.agreement import latest
from stages.align.label.desk import Desk
from stages.align.label.serve import MAX_BODY, Server
from stages.formats.chat.chats import text_message
from stages.formats.preferences import Candidates, Preference, Response, read_preferences, write_candidates
from tests.launching import launch
from tests.stages.align.judge.judges import write_answers
from tests.stages.report.browser import CHROMIUM, DRIVER, Browser

ROOT = Path(__file__).resolve().parents[4]
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "</div><style>*{display:none}</style>{{ 7 * 7 }}\u202e\0\u2028<a href='javascript:alert(1)'>x</a>",
)
PAIRS = [
    Candidates(
        prompt=(text_message("user", HOSTILE[0] if number == 3 else f"question {number}"),),
        responses=(
            Response(f"first {number}" + HOSTILE[0] * (number == 3), "policy a"),
            Response(f"second {number}" + HOSTILE[1] * (number == 3), "policy b"),
        ),
    )
    for number in range(20)
]
FOUR = [Candidates(prompt=(text_message("user", "four"),), responses=tuple(map(Response, "abcd")))]
in_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here: apt install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@contextmanager
def serving(desk: Desk) -> Iterator[Server]:
    """Serve the page of a desk while the context lasts."""
    with Server(desk, 0) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(Desk(PAIRS, tmp_path / "labels", ("clearer", "kinder"), 0)) as served:
        yield served


def request(
    server: Server, method: str, route: str, body: Any = None, token: str | None = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    data = json.dumps(body) if body is not None else None
    if data is not None:
        headers = {"Content-Type": "application/json", **headers}
    connection.request(method, f"/{server.token if token is None else token}/{route}", data, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers


def labels(folder: Path, name: str = "ada") -> list[Preference]:
    return latest(read_preferences(folder / "labels" / f"{name}.jsonl"))


def test_a_label_is_on_disk_before_the_answer_and_the_answer_is_the_next_item(server: Server, tmp_path: Path) -> None:
    _, view, _ = request(server, "GET", "item?labeller=ada")
    body = {"labeller": "ada", "key": view["item"]["key"], "ranks": [1, 2], "reasons": ["clearer"]}
    status, following, _ = request(server, "POST", "keep", body)
    assert (status, following["done"], following["total"]) == (200, 1, 20)
    assert following["item"]["key"] != body["key"]
    assert [label.key for label in labels(tmp_path)] == [body["key"]]
    assert request(server, "POST", "skip", {**body, "key": following["item"]["key"]})[0] == 200


def test_the_page_may_run_its_own_script_and_load_nothing_else(server: Server) -> None:
    status, page, headers = request(server, "GET", "")
    assert status == 200
    assert "http:" not in page
    assert "https:" not in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize(
    ("route", "token", "headers", "status"),
    [
        ("item?labeller=ada", "wrong", {}, 403),
        ("item?labeller=ada", "", {}, 403),
        ("item?labeller=ada", "%C3%A9", {}, 403),
        ("item?labeller=ada", None, {"Host": "evil.example"}, 403),
        ("../../etc/passwd", None, {}, 404),
        ("item", None, {}, 400),
        ("item?labeller=..%2Fx", None, {}, 400),
        ("item?labeller=ada&key=none", None, {}, 400),
    ],
)
def test_a_request_that_is_none_is_refused(
    server: Server, route: str, token: str | None, headers: dict[str, str], status: int
) -> None:
    assert request(server, "GET", route, token=token, **headers)[0] == status
    assert request(server, "GET", "item?labeller=ada")[0] == 200


@pytest.mark.parametrize("body", [[], {}, "x", {"labeller": "ada", "key": PAIRS[0].key, "ranks": 3, "reasons": []}])
def test_a_damaged_label_is_refused_and_nothing_is_written(server: Server, tmp_path: Path, body: object) -> None:
    assert request(server, "POST", "keep", body)[0] == 400
    assert request(server, "POST", "keep", {"x": "y" * MAX_BODY})[0] == 400
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    good = {"labeller": "ada", "key": PAIRS[0].key, "ranks": [1, 2], "reasons": []}
    assert request(server, "POST", "keep", good, **form)[0] == 400
    assert not (tmp_path / "labels").exists()


def enter(browser: Browser, address: str, name: str, width: int = 1280, dark: bool = False) -> None:
    """Open the page, give a name, and wait for the first item."""
    browser.visit(address, width, dark=dark)
    browser.ask("localStorage.clear()")
    browser.visit(address, width, dark=dark)
    browser.ask(f"document.getElementById('name').value = {json.dumps(name)}")
    browser.ask("document.getElementById('enter').requestSubmit()")
    browser.wait("return !!document.body.dataset.key && !document.body.ariaBusy")


def key_of(browser: Browser) -> str:
    return str(browser.ask("return document.body.dataset.key"))


def press(browser: Browser, keys: str, then: str = "") -> None:
    """Press keys, and wait until the page shows another item, or what `then` asks for."""
    before = key_of(browser)
    browser.press(keys)
    browser.wait(then or f"return document.body.dataset.key !== {json.dumps(before)} && !document.body.ariaBusy")


def texts(browser: Browser) -> list[str]:
    found: list[str] = browser.ask("return [...document.querySelectorAll('.response .text')].map(e => e.textContent)")
    return found


@in_browser
def test_twenty_comparisons_by_keyboard_with_blinded_order_and_hostile_text(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    browser.complaints()
    browser.requests()
    enter(browser, server.address, "ada")
    left = []
    for number, item in enumerate(PAIRS):
        shown = texts(browser)
        assert sorted(shown) == sorted(response.text for response in item.responses)
        assert "policy" not in browser.ask("return document.documentElement.outerHTML")
        left.append(shown[0] == item.responses[0].text)
        if number == 3:
            assert browser.ask("return document.title") == "Which response is better?"
            assert browser.ask("return document.querySelectorAll('main :is(script, img, style, a)').length") == 0
            assert browser.ask("return document.querySelector('#prompt .text').textContent") == HOSTILE[0]
        if number == 5:
            press(browser, "d", "return document.querySelectorAll('#reasons :checked').length === 1")
        press(browser, "t" if number == 4 else "1")
    assert browser.ask("return !document.getElementById('end').hidden")
    assert 3 < sum(left) < 17
    found = labels(tmp_path)
    assert [label.key for label in found] == [item.key for item in PAIRS]
    expected = [(1, 1) if number == 4 else (1, 2) if is_first else (2, 1) for number, is_first in enumerate(left)]
    assert [label.ranks for label in found] == expected
    assert [label.reasons for label in found] == [("kinder",) if number == 5 else () for number in range(20)]
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(server.address)] == []


@in_browser
def test_undo_skip_and_reload_lose_nothing(browser: Browser, server: Server, tmp_path: Path) -> None:
    enter(browser, server.address, "ada")
    press(browser, "s")
    press(browser, "1")
    press(browser, "2")
    third = key_of(browser)
    press(browser, "u")
    assert key_of(browser) == PAIRS[2].key
    assert browser.ask("return document.querySelectorAll('.response.ranked').length") == 2
    press(browser, "u")
    assert key_of(browser) == PAIRS[1].key
    press(browser, "t")
    assert key_of(browser) == third
    browser.visit(server.address, 400)
    browser.wait("return !!document.body.dataset.key")
    assert key_of(browser) == third
    assert browser.ask("return document.getElementById('count').textContent") == "2 of 20"
    assert {label.key: label.ranks[0] == label.ranks[1] for label in labels(tmp_path)} == {
        PAIRS[1].key: True,
        PAIRS[2].key: False,
    }


@in_browser
def test_a_killed_server_keeps_every_label_and_the_page_says_so(browser: Browser, tmp_path: Path) -> None:
    write_candidates(tmp_path / "candidates.jsonl", PAIRS)
    script = (
        "import sys; from pathlib import Path; from stages.align.label.desk import Desk\n"
        "from stages.align.label.serve import Server; from stages.formats.preferences import read_candidates\n"
        "root = Path(sys.argv[1]); items = list(read_candidates(root / 'candidates.jsonl'))\n"
        "server = Server(Desk(items, root / 'labels', (), 0), int(sys.argv[2])); server.token = 'again'\n"
        "print(server.server_port, flush=True); server.serve_forever()\n"
    )

    def start(port: int) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", script, str(tmp_path), str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    process, port = start(0)
    try:
        enter(browser, f"http://127.0.0.1:{port}/again/", "bob")
        for _ in range(3):
            press(browser, "1")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    press(browser, "1", "return document.getElementById('status').className === 'problem'")
    assert "Not kept" in browser.ask("return document.getElementById('status').textContent")
    assert len(labels(tmp_path, "bob")) == 3
    process, _ = start(port)
    try:
        press(browser, "1")
        assert browser.ask("return document.getElementById('count').textContent") == "4 of 20"
        assert [label.key for label in labels(tmp_path, "bob")] == [item.key for item in PAIRS[:4]]
    finally:
        process.kill()
        process.communicate()


@in_browser
def test_a_recipe_with_answers_of_two_policies_ends_in_a_win_rate_by_people(browser: Browser, tmp_path: Path) -> None:
    write_answers(tmp_path, {"sft": lambda number: f"rude {number}", "ppo": lambda number: f"kind {number}"}, 3)
    sources = {name: str(tmp_path / f"{name}.jsonl") for name in ("sft", "ppo")}
    label = {"stage": "align.label", "answers": sources, "against": "sft"}
    (tmp_path / "people.yaml").write_text(json.dumps({"label": label, "report": {"of": "run"}}))
    recipe = ("run", str(tmp_path / "people.yaml"), "--cluster", "local", "--name", "people")
    launch(*recipe, "--set", "targets=[label]", runs=tmp_path)
    command = [sys.executable, "-u", str(ROOT / "launch.py"), "label", "people", "--runs", str(tmp_path)]
    wide = {**os.environ, "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=wide) as page:
        assert page.stdout is not None
        address = next(line.split()[-1] for line in page.stdout if "Open http" in line)
        enter(browser, address, "ada")
        for _ in range(3):
            press(browser, "1" if texts(browser)[0].startswith("kind") else "2")
        page.send_signal(signal.SIGINT)
    launch(*recipe, "--set", f"label.labels={tmp_path}/people/labels/label/*.jsonl", runs=tmp_path)
    browser.open(tmp_path / "people" / "report.html", 1280)
    assert browser.value("#win-rates [data-policy=ppo] [data-label='Win rate']") == "1.0"
    assert browser.value("#labellers [data-name=ada] [data-value]") == "3"


@in_browser
@pytest.mark.parametrize("width", [1280, 700, 360])
def test_four_responses_are_ranked_with_ties_and_fit_any_width(browser: Browser, tmp_path: Path, width: int) -> None:
    with serving(Desk(FOUR, tmp_path / "labels", ("clearer",), 1)) as served:
        enter(browser, served.address, "ada", width)
        assert browser.ask("return document.documentElement.scrollWidth") <= width
        press(browser, "31t2", "return document.querySelectorAll('.response.ranked').length === 3")
        assert browser.ask("return document.getElementById('keep').disabled")
        press(browser, "4\ue007", "return !document.getElementById('end').hidden")
    (label,) = labels(tmp_path)
    assert sorted(label.ranks) == [1, 2, 2, 3]
