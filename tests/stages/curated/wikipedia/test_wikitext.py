"""Wikitext to text: marks by mark, nested, broken, hostile. The text of a real dump: tests/bench/curated.py."""

from __future__ import annotations

import time

import pytest

from stages.curated.wikipedia.languages import words_of
from stages.curated.wikipedia.wikitext import Style, plain_text

EN = Style(words_of("en"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("'''Bold''' and ''italic'', '''''both'''''", "Bold and italic, both"),
        ("[[Paris]] and [[London|the city]], [[cat]]s, [[#Part|see]]", "Paris and the city, cats, see"),
        ("[[Berlin (Maine)|]] [[:Category:Cats]] [[w:Paris|P]]", "Berlin Category:Cats P"),
        ("a [[File:X.png|thumb|100px|A [[nested]] caption]] b [[Category:Y]] [[de:Katze]]", "a b"),
        ("see [https://a.org the site] and [http://b.org] now", "see the site and now"),
        ("{{Infobox|a={{nested|[[x]]}}|b=1}}text {{cite web|url=x}}", "text"),
        ("{{lang|fr|bon [[vin]]}} {{nowrap|a b}} {{convert|10|km|mi}} {{lang-de|Hut}}", "bon vin a b 10 km Hut"),
        ("{{convert|10|-|20|km}} {{circa|1850}} {{frac|1|2}} {{val|5|e=3|u=m}}", "10–20 km c. 1850 1/2 5×10^3 m"),
        ("{{{1|default}}} {{{{{x}}}}}", "default"),
        ("a<ref name=x>{{cite}}</ref> b<ref name=x /> c<references/>", "a b c"),
        ("<math>\\frac{1}{2}\n< x</math> and <nowiki>[[raw]] '''</nowiki>", "$\\frac{1}{2} < x$ and [[raw]] '''"),
        ("a<!-- hidden [[x]] -->b<br/>c <small>d</small> &amp;lt; &nbsp;e", "ab\nc d &lt; e"),
        ("London ({{IPAc-en|x}}; {{coord|1}}) is", "London is"),
        ("Rome ({{lang-la|}}, born 1) is", "Rome (born 1) is"),
        ("__NOTOC__\n----\n* one\n** two\n# three\n: four\n; five", "- one\n  - two\n- three\nfour\nfive"),
        ("x\n{|\n! a !! b\n|-\n| 1 || {{nowrap|2}}\n|}\ny", "x\n\ny"),
        ("-{zh-hans:计算机;zh-hant:電腦}- -{A|原文}-", "计算机 原文"),
    ],
)
def test_marks_become_the_text_that_a_reader_sees(source: str, text: str) -> None:
    assert plain_text(source, EN) == text


def test_tables_stay_on_request_a_row_a_line() -> None:
    source = '{| class="wikitable"\n|+ Title\n! Year !! City\n|-\n| align="left" | 1900 || [[Paris|P]]'
    source += "\n|-\n|1904\n|St. Louis\n|}"
    assert plain_text(source, Style(words_of("en"), tables=True)) == "Title | Year | City\n1900 | P\n1904 | St. Louis"


PAGE = """Lead.
== History ==
Text.
=== Empty ===
{{gallery}}
=== Early ===
More.
== References ==
<references/>
=== Notes ===
n
== Legacy ==
Last.
== External links ==
* [http://a b]
"""


def test_sections_of_references_and_empty_ones_go_with_their_titles() -> None:
    assert plain_text(PAGE, EN) == "Lead.\n\nHistory\n\nText.\n\nEarly\n\nMore.\n\nLegacy\n\nLast."
    assert "External links\n\n- b" in plain_text(PAGE, Style(words_of("en"), tails=True))


def test_words_of_a_language_are_known() -> None:
    source = "Text [[Datei:A.jpg|mini]][[Kategorie:B]]\n== Einzelnachweise ==\nx"
    assert plain_text(source, Style(words_of("de"))) == "Text"
    assert "Datei" not in plain_text(source, Style(words_of("de")))
    assert plain_text("维基 [[文件:A.jpg]]\n== 参考文献 ==\nx", Style(words_of("zh"))) == "维基"


@pytest.mark.parametrize(
    "source", ["{{open [[a|b", "a ]] b }} c |}", "{|\nno end", "<ref>no end", "<math>x", "<!-- no end"]
)
def test_a_mark_without_its_partner_costs_little(source: str) -> None:
    found = plain_text(f"before {source}", EN)
    assert found.startswith("before")


HOSTILE = {
    "templates": "{{a|" * 60_000,
    "closed": "{{a|" * 30_000 + "}}" * 30_000,
    "braces": "{" * 200_000 + "}" * 200_000,
    "links": "[[a|" * 60_000,
    "brackets": "[http://a " * 30_000,
    "refs": "<ref>" * 50_000,
    "maths": "<math>x" * 40_000,
    "comments": "<!--" * 60_000,
    "tables": "\n{|" * 60_000,
    "quotes": "'" * 200_000,
    "headings": "\n=" * 100_000,
    "equals": "=" * 200_000,
    "lists": "\n" + "*" * 200_000,
    "variants": "-{" * 100_000,
    "spaces": " " * 200_000 + "(" + ", " * 100_000,
    "tags": "<b " * 80_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_whatever_the_text(name: str) -> None:
    start = time.process_time()
    plain_text(HOSTILE[name], EN)
    assert time.process_time() - start < 20  # a quadratic pass over these takes minutes
