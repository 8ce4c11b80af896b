"""Web pages: navigation, sidebar and footer around a text, as one of several sites has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from stages.sample.draw import Draw


@dataclass(frozen=True)
class Furniture:
    """The texts that the sites of one language put around their articles."""

    sites: tuple[str, ...]
    sections: tuple[str, ...]
    """As in a URL."""
    menu: tuple[str, ...]
    aside: tuple[str, ...]
    more: str
    footer: tuple[str, ...]


FURNITURE = {
    "en": Furniture(
        sites=("gazette", "courier", "herald", "almanac", "traveller", "townhall", "library", "harbour"),
        sections=("news", "places", "markets", "letters", "notes"),
        menu=("Home", "News", "Places", "Markets", "Archive", "Contact", "About us", "Imprint"),
        aside=(
            "Most read today",
            "Subscribe to our newsletter",
            "Weather for the week",
            "Letters to the editor",
            "Jobs",
        ),
        more="More from us",
        footer=("All rights reserved.", "Terms of use", "Privacy notice", "Cookie settings", "Made with care"),
    ),
    "zh": Furniture(
        sites=("chenbao", "ribao", "wanbao", "lvren", "shuyuan", "gangkou"),
        sections=("xinwen", "difang", "%E9%9B%86%E5%B8%82", "laixin", "%E9%9A%8F%E7%AC%94"),
        menu=("首页", "新闻", "地方", "集市", "旧文", "联系我们", "关于本站", "版权说明"),
        aside=("今日热读", "订阅我们的通讯", "一周天气", "读者来信", "招聘启事"),
        more="更多内容",
        footer=("版权所有，不得转载", "使用条款", "隐私声明", "Cookie 设置", "用心制作"),
    ),
}
"""By language. Two of the Chinese sections are %-escaped, as browsers write 集市 and 随笔."""


def address(seed: int, page: int, language: str = "en") -> str:
    """Return the URL of a page."""
    draw, around = Draw("address", seed, page), FURNITURE[language]
    return f"https://www.{draw.pick(around.sites)}.example/{draw.pick(around.sections)}/{page:07d}.html"


def page(draw: Draw, title: str, paragraphs: Sequence[str], *, charset: str = "utf-8", language: str = "en") -> str:
    """Return an article's page. The text is in `article`, its title in `h1`; sites put the rest around it."""
    body = "\n".join(f"<p>{escape(text, quote=False)}</p>" for text in paragraphs)
    return frame(draw, title, f"<h1>{escape(title)}</h1>\n{body}", charset=charset, language=language)


def frame(draw: Draw, title: str, content: str, *, charset: str = "utf-8", language: str = "en") -> str:
    """Return a page with the given markup as its content."""
    around = FURNITURE.get(language, FURNITURE["en"])
    menu = "".join(f'<li><a href="/{name.split()[0].lower()}">{name}</a></li>' for name in draw.sample(around.menu, 6))
    links = "".join(f'<li><a href="/{draw.below(10_000)}">{name}</a></li>' for name in draw.sample(around.aside, 3))
    notes = " | ".join(f'<a href="/{place}">{text}</a>' for place, text in enumerate(draw.sample(around.footer, 3)))
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="{charset}">
<title>{escape(title)}</title>
<style>body {{ margin: {draw.below(9)}px; }} nav li {{ display: inline; }}</style>
<script>var page = {{ visits: {draw.below(10**6)} }};</script>
</head>
<body>
<header><nav><ul>{menu}</ul></nav></header>
<main><article>
{content}
</article></main>
<aside><h2>{around.more}</h2><ul>{links}</ul></aside>
<footer><p>{notes}</p></footer>
</body>
</html>
"""
