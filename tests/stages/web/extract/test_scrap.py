import pytest

from stages.web.extract.resiliparse_text import main_text
from stages.web.extract.scrap import better_text

SENTENCE = "The hills were quiet and the river was wide on that day, and not a sound was to be heard in the valley."
STORIES = {
    "en": f"<p>{SENTENCE}</p>" * 9,
    "zh": "<p>旧磨坊的主人清晨把坏了的门修好了，然后他走到河边去看那里新搭好的木桥。</p>" * 9,
    "th": "<p>" + "เจ้าของโรงสีเก่าออกไปที่แม่น้ำในตอนเช้าเพื่อดูสะพานไม้ที่เพิ่งสร้างเสร็จใหม่และพูดคุยกับเพื่อนบ้าน" + "</p>" * 9,
    "ar": "<p>"
    + "خرج صاحب الطاحونة القديمة في الصباح الباكر إلى النهر ليرى الجسر الخشبي الجديد الذي بناه الجيران هل أعجبه؟"
    + "</p>" * 9,
}


def page(story: str, after: str = "") -> str:
    return f"<html><body><article><h1>A walk</h1>{story}</article>{after}</body></html>"


@pytest.mark.parametrize("language", STORIES)
@pytest.mark.parametrize("slow", ["", "Copyright 2024 by the walkers"])
def test_prose_replaces_a_scrap_in_any_language(language: str, slow: str) -> None:
    html = page(STORIES[language])
    better = better_text(slow, html, main_text(html))
    assert better and better.splitlines()[0] in STORIES[language]


def test_a_whole_text_and_a_list_of_links_stay() -> None:
    html = page(STORIES["en"])
    assert better_text(SENTENCE * 6, html, main_text(html)) is None
    links = page("".join(f"<p>Offer {number} for you</p>" for number in range(200)))
    assert better_text("", links, main_text(links)) is None


def test_comments_do_not_make_a_scrap_of_a_short_article() -> None:
    comments = "".join(f"<div class='comment'><p>{SENTENCE}</p></div>" for _ in range(9))
    html = page(f"<p>{SENTENCE}</p>", f"<div id='comments' class='comments'>{comments}</div>")
    assert len(main_text(html)) > 5 * len(SENTENCE)
    assert better_text(SENTENCE, html, main_text(html)) is None
