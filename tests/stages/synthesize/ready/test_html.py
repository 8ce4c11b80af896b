import pytest

from stages.synthesize.ready.html import unwrapped

PAGE = """<div class="markdown prose"><p>Use <code>a &lt; b</code>,  or
see <b>this</b>:</p><ol><li>First</li><li><p>Second</p><ul><li>inner</li></ul></li></ol>
<pre><div class="bar"><span>python</span><button>Copy code</button></div><code>def f():
    return "&amp;"
</code></pre><table><tr><td>x</td><td>1</td></tr></table></div>"""


def test_an_answer_that_is_a_page_becomes_text() -> None:
    assert unwrapped(PAGE) == (
        "Use `a < b`, or see this:\n\n1. First\n2. Second\n  - inner\n\n```python\n"
        'def f():\n    return "&"\n```\n\nx | 1 |'
    )
    assert unwrapped("<p>So:</p><pre>x  =  1\n</pre><pre></pre>") == "So:\n\n```\nx  =  1\n```\n\n```\n```"


@pytest.mark.parametrize(
    "answer",
    ["Write <div>text</div>.", "```html\n<p>x</p>\n```", "a < b and c > d", "<think>so</think> yes", "二 < 三", ""],
)
def test_an_answer_about_html_stays_as_it_is(answer: str) -> None:
    assert unwrapped(answer) == answer


def test_words_of_buttons_are_left_out() -> None:
    assert unwrapped("2 / 3\nHello\nbashCopy code\nls\n") == "Hello\nls\n"
    assert unwrapped("Press Copy code.\nHalf is 1 / 2 of it") == "Press Copy code.\nHalf is 1 / 2 of it"
