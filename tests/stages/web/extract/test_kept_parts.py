import lxml.html
import pytest
import trafilatura
import trafilatura.external
import trafilatura.main_extractor

from stages.web.extract.kept_parts import is_text, keep_parts_of_text

SENTENCE = "The hills were quiet and the river was wide on that day, and not a sound was to be heard. "
STORY = f"<p>{SENTENCE * 3}</p>"
POST = "<blockquote><p>The river is wider than on any day of last year.</p>A walker</blockquote>"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>The league decided <span>to <a>move</a> it</span> to June.", True),
        ("<p><b>The</b> league, <span>it seems</span> and is said", True),
        ("<p>They are pulling for <span>A. Writer</span>, and <b>x</b>", True),
        ("<p>They are for <b>x</b> and <span>A. Writer</span>.", True),
        ("<p>我们 <span>一起</span> 走", True),
        ("<p>The league decided. <span>More</span> to read", False),
        ("<p>The league decided <span>By A. Writer</span> Monday", False),
        ("<p><span>Menu</span> and more", False),
        ("<p>The league decided <span>to move</span>", False),
        ("<p>The league<span>Share</span> decided", False),
        ("<p>The league decided <span><img src=a> to</span> move it", False),
        ("<p>The league decided <b>to</b> move it", False),
        (f"<div>{POST}</div>", True),
        (f"<div> {POST} </div>", True),
        (f"<div>{POST}{POST}</div>", False),
        (f"<div>Share{POST}</div>", False),
        (f"<div>{POST}Share</div>", False),
        (f"<section>{POST}</section>", False),
        ("<div></div>", False),
    ],
)
def test_a_part_of_the_text_is_known_by_what_is_around_and_in_it(html: str, expected: bool) -> None:
    root = lxml.html.fragment_fromstring(html)
    part = root if root.tag != "p" else next((each for each in root if each.tag == "span"), root)
    assert is_text(part) == expected


def text_of(part: str) -> str:
    html = f"<html><body><article><h1>A walk</h1>{STORY}{part}{STORY}</article></body></html>"
    return trafilatura.extract(html, favor_precision=True, include_comments=False) or ""


def test_a_text_keeps_them_unless_they_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trafilatura.main_extractor, trafilatura.external):
        monkeypatch.setattr(module, "prune_unwanted_nodes", module.prune_unwanted_nodes)
    sentence = '<p>The league decided <span class="link{}"><a href="/a">to move it</a></span> from May to June.</p>'
    embed = f'<div class="social-media-embed{{}}">{POST}</div>'
    assert "decided from May" in text_of(sentence.format("")) and "wider" not in text_of(embed.format(""))
    keep_parts_of_text()
    keep_parts_of_text()
    assert "decided to move it from May to June" in text_of(sentence.format(""))
    assert "The river is wider than on any day of last year." in text_of(embed.format(""))
    assert "to move it" not in text_of(sentence.format(" is-hidden"))
    assert "wider" not in text_of(embed.format(" hidden"))
    assert "Follow" not in text_of('<div class="social-media-embed"><p>Follow us for more of these walks.</p></div>')
