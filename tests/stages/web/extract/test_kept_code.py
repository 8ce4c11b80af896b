import lxml.html
import pytest
import trafilatura
import trafilatura.core
import trafilatura.external
import trafilatura.htmlprocessing

from stages.web.extract.kept_code import keep_code, rewrite_code

SENTENCE = "The hills were quiet and the river was wide on that day, and not a sound was to be heard. "
STORY = f"<p>{SENTENCE * 3}</p>"
NEWLINE = "\n"
CODE = "def f(x):\n    if x:\n        return 1\n    return 2"
LINES = CODE.replace("\n", "<br>")
NUMBERS = "<td><pre>1\n2\n3\n4</pre></td>"


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trafilatura.core, trafilatura.external):
        monkeypatch.setattr(module, "tree_cleaning", module.tree_cleaning)
    monkeypatch.setattr(trafilatura.htmlprocessing, "prune_html", trafilatura.htmlprocessing.prune_html)
    keep_code()
    keep_code()


def text_of(part: str) -> str:
    html = f"<html><body><article><h1>A walk</h1>{STORY}{part}{STORY}</article></body></html>"
    return trafilatura.extract(html, favor_precision=True, include_comments=False) or ""


@pytest.mark.parametrize(
    "block",
    [
        f"<pre>{CODE}</pre>",
        f'<div class="highlight"><pre><span></span>{CODE}</pre></div>',
        f'<figure class="highlight"><pre><code>{CODE}</code></pre></figure>',
        f"<pre>{LINES}</pre>",
        f"<pre><code>{LINES}</code></pre>",
        f"<pre>{LINES.replace('<br>', '<br/>')}<br></pre>",
        f"<pre>{''.join(f'<span>{line}<br></span>' for line in CODE.splitlines())}</pre>",
        f"<pre><code>{''.join(f'<div>{line}</div>' for line in CODE.splitlines())}</code></pre>",
        f"<pre>{''.join(f'<div>{line}</div>' for line in CODE.splitlines(keepends=True))}</pre>",
        f"<pre>{NEWLINE.join(f'<div>{line}</div>' for line in CODE.splitlines())}</pre>",
        f"<pre><ol>{''.join(f'<li><b>{line}</b></li>' for line in CODE.splitlines())}</ol></pre>",
        f"<table><tr>{NUMBERS}<td><pre><code>{CODE}</code></pre></td></tr></table>",
        f"<table><tr><td>1<br>2<br>3<br>4</td><td><pre>{LINES}</pre></td></tr></table>",
    ],
)
def test_a_code_block_keeps_its_lines_and_their_indentation(block: str) -> None:
    text = text_of(block)
    assert f"\n{CODE}\n" in text
    assert text.count("return 2") == 1


@pytest.mark.parametrize("empty", ["<b></b>", "<span></span>", "<em></em>", "<i></i>"])
def test_the_text_behind_an_empty_element_is_kept(empty: str) -> None:
    assert "The league decided to move it to June." in text_of(f"<p>The league decided {empty}to move it to June.</p>")


@pytest.mark.parametrize(
    "table",
    [
        f"<table><tr>{NUMBERS}<td><pre>a</pre></td><td><pre>b</pre></td></tr></table>",
        "<table><tr><td>A call</td><td><pre>f(1)</pre></td></tr></table>",
        "<table><tr><td>1</td><td>2</td></tr></table>",
        "<table><tr><td><table><tr><td><pre>f(1)</pre></td></tr></table></td><td>A call</td></tr></table>",
    ],
)
def test_another_table_stays_a_table(table: str) -> None:
    tree = lxml.html.fragment_fromstring(f"<div>{table}</div>")
    rewrite_code(tree)
    assert tree[0].tag == "table"
