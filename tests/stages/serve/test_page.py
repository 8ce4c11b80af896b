"""The chat page in a real browser: keyboard, stop, branches, reload, comparison, calls, hostile text, widths."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence

import pytest

from stages.formats.chat.chats import parse_chat
from stages.serve import rows
from stages.serve.http.server import Server
from tests.stages.report.browser import CHROMIUM, DRIVER, Browser
from tests.stages.serve.taught import (
    ANSWERS,
    ASK_PLAN,
    INLINE,
    INLINE_ANSWER,
    LOOK,
    LOOKUP,
    RED,
    RESULTS,
    SEES,
    SUM,
    picture,
)
from tests.stages.serve.test_parts import wave
from tests.stages.serve.world import QUESTION

ENTER, ESCAPE, UP = "\ue007", "\ue00c", "\ue013"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{ 7 * 7 }}\u202e"
PLAN = [
    {"task": "see", "id": 0, "dep": [-1], "args": {}},
    {"task": HOSTILE, "id": 1, "dep": [0]},
    {"task": "circle", "id": 2, "dep": [2, 1, 9]},
]
IDLE = "return document.body.dataset.busy === 'false' && document.querySelectorAll('[data-state=growing]').length === 0"
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here: apt install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def visit(browser: Browser, server: Server, width: int = 1280, *, dark: bool = False, fresh: bool = True) -> None:
    """Open the page, without earlier conversations unless told, and wait until its model is there."""
    browser.visit(server.address, width, dark=dark)
    if fresh:
        browser.ask("addEventListener('pagehide', () => localStorage.clear())")
        browser.visit(server.address, width, dark=dark)
    browser.wait("return !!document.body.dataset.loaded && document.getElementById('status').textContent === ''")


def put(browser: Browser, field: str, value: str) -> None:
    """Set a field as its user does."""
    browser.ask(
        f"const field = document.getElementById({json.dumps(field)}); field.value = {json.dumps(value)};"
        "field.dispatchEvent(new Event('input')); field.dispatchEvent(new Event('change')); field.focus()"
    )


def send(browser: Browser, text: str, answers: int = 1) -> None:
    """Send a message by keyboard and wait for its answers."""
    before = len(texts(browser))
    put(browser, "text", text)
    browser.press(ENTER)
    browser.wait(f"return document.querySelectorAll('.message').length >= {before + 1 + answers}")
    browser.wait(IDLE)


def texts(browser: Browser) -> list[str]:
    found: list[str] = browser.ask(
        "return [...document.querySelectorAll('.message')].map(e => e.querySelector('.prose')?.textContent ?? '')"
    )
    return found


def click(browser: Browser, label: str) -> None:
    browser.ask(f"[...document.querySelectorAll('[aria-label={json.dumps(label)}]')].at(-1).click()")


def test_a_conversation_by_keyboard_with_branches_survives_a_reload_and_nothing_leaves_the_machine(
    browser: Browser, server: Server
) -> None:
    browser.complaints()
    browser.requests()
    visit(browser, server)
    put(browser, "tokens", "12")
    send(browser, HOSTILE)
    first = texts(browser)
    assert (len(first), first[0]) == (2, HOSTILE)
    click(browser, "Another answer")
    browser.wait(f"{IDLE} && document.querySelectorAll('.branches').length === 1")
    assert texts(browser)[1] != first[1]
    click(browser, "The branch before")
    assert texts(browser) == first
    browser.ask("document.getElementById('text').focus()")
    browser.press(UP)
    assert browser.ask("return document.getElementById('text').value") == HOSTILE
    send(browser, "another question", answers=-1)
    browser.wait(f"{IDLE} && document.querySelectorAll('.message').length === 2")
    edited = texts(browser)
    assert edited[0] == "another question"
    put(browser, "text", "a draft")
    visit(browser, server, fresh=False)
    assert texts(browser) == edited
    assert browser.ask("return document.getElementById('text').value") == "a draft"
    click(browser, "The branch before")
    assert texts(browser) == first
    assert browser.ask("return document.title") == "Stagecoach chat"
    assert browser.ask("return document.querySelectorAll('main :is(script, img, style, a)').length") == 0
    exported = browser.ask("return import('./store.js').then(m => m.exported(new m.Store(() => 0).current))")
    chat = parse_chat(json.loads(exported), 0)
    assert [message.text for message in chat.messages] == first
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(server.address)] == []


def test_stop_keeps_what_was_written(browser: Browser, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, seen = threading.Event(), []

    def wait(text: str, until: Sequence[str]) -> int:
        seen.append(text)
        if len(list(filter(None, seen))) == 2:  # the page has the first
            goes_on.wait(300)
        return 0

    monkeypatch.setattr(rows, "held_back", wait)
    visit(browser, server)
    try:
        put(browser, "temperature", "0")
        put(browser, "text", str(QUESTION[0]["content"]))
        browser.press(ENTER)
        browser.wait("return (document.querySelector('.assistant .prose')?.textContent.length ?? 0) > 0")
        browser.press(ESCAPE)
        browser.wait(IDLE)
    finally:
        goes_on.set()
    assert "stopped" in browser.ask("return document.querySelector('.assistant .facts').textContent")
    assert texts(browser)[1]


def test_two_models_answer_side_by_side_and_one_goes_on(browser: Browser, server: Server) -> None:
    visit(browser, server)
    put(browser, "tokens", "8")
    put(browser, "other", "other")
    send(browser, "which is better?", answers=2)
    shown = "return [...document.querySelectorAll('.compared .of')].map(e => e.textContent)"
    assert browser.ask(shown) == ["tiny", "other"]
    click(browser, "Go on with the answer of other")
    assert browser.ask("return document.querySelector('.chosen .of').textContent") == "other"
    put(browser, "other", "")
    send(browser, "go on")
    assert len(texts(browser)) == 5


def test_a_picture_that_the_model_cannot_see_is_a_problem_at_its_message(browser: Browser, server: Server) -> None:
    visit(browser, server)
    browser.ask(
        "const canvas = document.createElement('canvas'); canvas.width = canvas.height = 9;"
        "return new Promise(done => canvas.toBlob(blob => { const data = new DataTransfer();"
        "data.items.add(new File([blob], 'nine.png', {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); done(); }))"
    )
    browser.wait("return document.querySelectorAll('#attached img').length === 1")
    send(browser, "what is this?")
    assert "sees no pictures" in browser.ask("return document.querySelector('.assistant .problem').textContent")
    visit(browser, server, fresh=False)
    assert browser.ask("return document.querySelector('.user img').naturalWidth") == 9


def paste(browser: Browser, data: bytes) -> None:
    """Paste a picture and wait until it is attached."""
    coded = base64.b64encode(data).decode()
    browser.ask(
        f"const data = new DataTransfer(), bytes = Uint8Array.from(atob('{coded}'), letter => letter.charCodeAt(0));"
        "data.items.add(new File([bytes], 'stall.png', {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}))"
    )
    browser.wait("return document.querySelectorAll('#attached img').length === 1")


CARDS = (
    "return [...document.querySelectorAll('.call')]"
    ".map(e => [e.open, ...['name', 'gist'].map(n => e.querySelector('.' + n).textContent)])"
)


def test_a_picture_a_sum_a_lookup_and_a_plan_in_one_conversation(browser: Browser, taught: Server) -> None:
    browser.complaints()
    browser.requests()
    visit(browser, taught)
    put(browser, "temperature", "0")
    paste(browser, picture(RED))
    for question in (LOOK, SUM, LOOKUP, ASK_PLAN):
        send(browser, question)
    whole = texts(browser)
    assert whole[1:-1:2] == [SEES[RED], ANSWERS[SUM], ANSWERS[LOOKUP]]
    calls = [[False, "calculator", "17 * 23 → 391.00"], [False, "search", f"bridge keeper → {RESULTS[LOOKUP]}"]]
    assert browser.ask(CARDS) == calls
    assert browser.ask("return [...document.querySelectorAll('.plan .number')].map(e => e.textContent)") == [
        "Task 0",
        "Task 1",
        "Task 2",
    ]
    for width, dark in ((1280, True), (700, False), (360, True), (360, False)):
        visit(browser, taught, width, dark=dark, fresh=False)
        assert (texts(browser), browser.ask(CARDS)) == (whole, calls)
        assert browser.ask("return document.querySelector('.user img').naturalWidth") == 120
        assert browser.ask("return document.documentElement.scrollWidth") <= width
    browser.ask("document.querySelector('.call summary').click()")
    opened = "return [...document.querySelector('.call[open]').querySelectorAll('.code')].map(e => e.textContent)"
    assert browser.ask(opened) == ['{\n  "expression": "17 * 23"\n}', "391.00"]
    click(browser, "Another answer")
    browser.wait(f"{IDLE} && document.querySelectorAll('.branches').length === 1")
    assert browser.ask("return document.querySelectorAll('.plan rect').length") == 3
    exported = browser.ask("return import('./store.js').then(m => m.exported(new m.Store(() => 0).current))")
    chat = parse_chat(json.loads(exported), 0)
    assert "".join(message.role[0] for message in chat.messages) == "uauatauataua"
    assert chat.messages[0].parts[0].type == "picture"
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith(taught.address)] == []


def test_a_call_within_a_text_is_a_card(browser: Browser, inline: Server) -> None:
    visit(browser, inline, 360)
    put(browser, "temperature", "0")
    send(browser, INLINE)
    assert browser.ask(CARDS) == [[False, "calculator", "17*23 → 391.00"]]
    parts = "return [...document.querySelectorAll('.assistant .prose')].map(e => e.textContent.trim())"
    assert browser.ask(parts) == ["It is", "391."]
    exported = browser.ask("return import('./store.js').then(m => m.exported(new m.Store(() => 0).current))")
    assert [message.text for message in parse_chat(json.loads(exported), 0).messages] == [INLINE, INLINE_ANSWER]


def test_a_voice_is_recorded_or_taken_from_a_file_and_sent_as_sound(browser: Browser, server: Server) -> None:
    visit(browser, server)
    click(browser, "Record your voice")
    browser.wait("return document.getElementById('record').ariaPressed === 'true'")
    browser.wait("return new Promise(done => setTimeout(() => done(true), 300))")
    click(browser, "End the recording")
    browser.wait("return document.querySelectorAll('#attached li').length === 1")
    send(browser, "What do you hear?")
    assert browser.ask("return document.querySelector('.user audio').src").startswith("data:audio/wav;base64,UklGR")
    assert "hears no sounds" in browser.ask("return document.querySelector('.assistant .problem').textContent")
    browser.ask(
        "const data = new DataTransfer();"
        f"data.items.add(new File([Uint8Array.from({[*wave()]})], 'said.wav', {{type: 'audio/wav'}}));"
        "document.dispatchEvent(new DragEvent('drop', {dataTransfer: data}))"
    )
    browser.wait("return document.querySelectorAll('#attached li').length === 1")
    assert browser.ask("return document.querySelector('#attached span').textContent") == "said.wav"


def plant(browser: Browser) -> None:
    """Keep a conversation with a plan, and a call with hostile arguments whose result is missing."""
    call = {"id": "c", "name": "add", "arguments": json.dumps({"a": HOSTILE}), "ms": 12}
    nodes = [
        {"id": "u", "parent": "", "role": "user", "text": "Plan, then add."},
        {"id": "p", "parent": "u", "role": "assistant", "text": json.dumps(PLAN), "model": "tiny"},
        {"id": "a", "parent": "p", "role": "assistant", "text": "", "calls": [call], "model": "tiny"},
    ]
    whole = {each["id"]: {"calls": [], "parts": [], "state": "done", "at": 1, **each} for each in nodes}
    kept = {"id": "x", "title": HOSTILE, "nodes": whole, "chosen": {"": "u", "u": "p", "p": "a"}, "draft": "", "at": 1}
    text = json.dumps(json.dumps({"all": [kept], "current": "x"}))
    browser.ask(f"addEventListener('pagehide', () => localStorage.setItem('stagecoach-chats', {text}))")


@pytest.mark.parametrize("width", [1280, 700, 360])
def test_plans_and_calls_fit_any_width_and_a_result_goes_on(browser: Browser, server: Server, width: int) -> None:
    visit(browser, server, width)
    plant(browser)
    visit(browser, server, width, dark=width == 700, fresh=False)
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    assert browser.ask("return document.querySelectorAll('.plan rect').length") == 3
    assert browser.ask("return document.querySelectorAll('.plan path').length") == 3
    assert browser.ask("return document.title") == "Stagecoach chat"
    assert browser.ask("return document.querySelector('.call .time').textContent") == "12 ms"
    browser.ask("document.querySelector('.call textarea').value = '42'")
    put(browser, "tokens", "5")
    click(browser, "Give the result of add")
    browser.wait(f"{IDLE} && document.querySelectorAll('.message').length === 4")
    assert browser.ask("return [...document.querySelectorAll('.call .code')].map(e => e.textContent)[1]") == "42"
    unnamed = "return [...document.querySelectorAll('button, select, textarea, input:not([hidden])')].filter(e => !"
    assert browser.ask(f"{unnamed}(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length") == 0
