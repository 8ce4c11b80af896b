"""Text of posts: code keeps its spaces, lists their marks; the fast way gives what the walk gives; nothing hangs."""

from __future__ import annotations

import random
import time

import pytest

from stages.text.markup.post_html import post_text, walked_text

POST = """<p>Use <code>a &lt; b</code>, <em>not</em>
<a href="https://example.org/?a=1&amp;b=2" rel="nofollow">this</a>:<br>
then</p>

<pre class="lang-py"><code>if a:
    b("x  y")

    c()
</code></pre>

<ul>
<li>one</li>
<li><p>two</p>
<ol><li>first</li><li>second</li></ol></li>
</ul>
<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>
<script>alert(1)</script><!-- hidden --><p>H<sub>2</sub>O&nbsp;is 3 < 5 &amp; wet</p>
"""
TEXT = """Use a < b, not this:
then

if a:
    b("x  y")

    c()

- one
- two

  1. first
  2. second

k | v
1 | 2

H2O is 3 < 5 & wet"""


def test_a_post_becomes_text_with_code_and_lists_on_lines_of_their_own() -> None:
    assert post_text(POST) == TEXT


def words(draw: random.Random, count: int) -> str:
    return " ".join(
        draw.choice(("alpha", "&amp;", "beta\n", "&lt;x&gt;", " gamma", "&nbsp;", "1 > 0")) for _ in range(count)
    )


def block(draw: random.Random) -> str:
    inner = f"{words(draw, 5)} <code>{words(draw, 2)}</code> <a href='x' rel=\"y\">{words(draw, 2)}</a>"
    return draw.choice(
        (
            f"<p>{inner}{draw.choice(('', '<br>', ' <br />', '<br/> '))}{words(draw, 3)}</p>\n",
            f"<pre><code>f(x):\n    {words(draw, 4)}\n\n</code></pre>\n",
            f"<blockquote>\n  <p>{inner}</p>\n</blockquote>\n",
            f"<h2>{words(draw, 3)}</h2><hr>\n",
            f"<ul>\n<li>{inner}</li>\n</ul>",
            inner,
        )
    )


def test_the_fast_way_gives_the_text_of_the_walk() -> None:
    draw = random.Random(16)
    for _ in range(500):
        body = "\n".join(block(draw) for _ in range(draw.randrange(1, 7)))
        assert post_text(body) == walked_text(body), body


HOSTILE = {
    "openings": "<" * 300_000,
    "quotes": '<a "' * 75_000,
    "comments": "<!--" * 75_000,
    "tags": "<p " * 100_000,
    "depth": "<ul><li>" * 40_000,
    "scripts": "<script>" * 40_000,
    "preformatted": "<pre>" * 60_000,
    "breaks": "<br>" * 80_000,
    "spaces": " \n" * 150_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_whatever_the_markup(name: str) -> None:
    start = time.process_time()
    post_text(HOSTILE[name])
    assert time.process_time() - start < 20  # a quadratic walk of these takes minutes
