"""Dresses text as a web page: navigation, sidebar and footer around it, in the manner of one of several sites."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stages.sample.draw import Draw

SITES = ("gazette", "courier", "herald", "almanac", "traveller", "townhall", "library", "harbour")
SECTIONS = ("news", "places", "markets", "letters", "notes")
MENU = ("Home", "News", "Places", "Markets", "Archive", "Contact", "About us", "Imprint")
ASIDE = ("Most read today", "Subscribe to our newsletter", "Weather for the week", "Letters to the editor", "Jobs")
FOOTER = ("All rights reserved.", "Terms of use", "Privacy notice", "Cookie settings", "Made with care")


def address(seed: int, page: int) -> str:
    """Return the address of a page."""
    draw = Draw("address", seed, page)
    return f"https://www.{draw.pick(SITES)}.example/{draw.pick(SECTIONS)}/{page:07d}.html"


def page(draw: Draw, title: str, paragraphs: Sequence[str], *, charset: str = "utf-8", language: str = "en") -> str:
    """Return an article's page. The text is in `article`, its title in `h1`; the rest is what sites put around it."""
    body = "\n".join(f"<p>{escape(text, quote=False)}</p>" for text in paragraphs)
    return frame(draw, title, f"<h1>{escape(title)}</h1>\n{body}", charset=charset, language=language)


def frame(draw: Draw, title: str, content: str, *, charset: str = "utf-8", language: str = "en") -> str:
    """Return a page with the given markup as its content."""
    menu = "".join(f'<li><a href="/{name.split()[0].lower()}">{name}</a></li>' for name in draw.sample(MENU, 6))
    links = "".join(f'<li><a href="/{draw.below(10_000)}">{name}</a></li>' for name in draw.sample(ASIDE, 3))
    notes = " | ".join(f'<a href="/{place}">{text}</a>' for place, text in enumerate(draw.sample(FOOTER, 3)))
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
<aside><h2>More from us</h2><ul>{links}</ul></aside>
<footer><p>{notes}</p></footer>
</body>
</html>
"""
