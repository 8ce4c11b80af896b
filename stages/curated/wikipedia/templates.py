"""Text of templates: those that carry words of the sentence keep them, all others are dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Arguments = list[str]
NAMED = re.compile(r"\s*([\w -]{1,40}?)\s*=")
CHARACTERS = {
    **{"nbsp": " ", "snd": " – ", "spnd": " – ", "ndash": "–", "mdash": "—", "spaced ndash": " – ", "dot": " · "},
    **{"bull": " • ", "'": "'", "'s": "'s", "!": "|", "=": "=", "(": "(", ")": ")", "-": "-", "en dash": "–"},
    **{"em dash": "—", "pipe": "|", "zwj": "", "wbr": "", "shy": "", "clear": "\n"},
}
"""Templates that are a character."""
_FIRST = """
nowrap nobr nobold small smaller big large larger nocaps smallcaps sc center italic bold strong em mono code tt kbd
samp var var serif sub sup math mvar abbr tooltip hover title define ill interlanguage%link link-interwiki illm lien
link-en link-ja lang-xx angbr angle%bracket quote blockquote cquote bquote rquote pull%quote quotation zitat
citation%bloc citaat centralizar nihongo2 nowrap%begin unité heure nobreak siehe%nowrap s- romain rom-maj rom smallsup
coord%text no%wrap nts tsl le lk polytonic unicode ipa-text cyr uc lc ucfirst lcfirst resize font%color color colour
fontcolor textcolor plainlink ipa ipa%link ipalink underline u underlined strikethrough s ruby ruby-zh-p linktext
langx%text nobold nonitalic noitalic angbr%ipa angbr date%text visible%anchor anchored vanchor allow%wrap
translate%literally zhlink jlink
"""
_SECOND = """
script lang langue langx transl transliteration tlit translit color font fontcolor textcolor link-de okina%text
"""
_LAST = "abbr2 hlist%text"


def template_text(content: str) -> str:
    """Return the words of a template, given what stands between its braces, inner marks resolved."""
    name, _, rest = content.partition("|")
    name = name.strip().replace("_", " ").lower()
    if name in CHARACTERS:
        return CHARACTERS[name]
    make = _KEPT.get(name)
    if make is None:
        if name.startswith(("lang-", "lang‑")):
            make = _first
        else:
            return ""
    arguments, named = _arguments(rest)
    return make(arguments, named)


def _arguments(rest: str) -> tuple[Arguments, dict[str, str]]:
    """Return the arguments by place, and those by name; `1=` is one by place."""
    placed: Arguments = []
    named: dict[str, str] = {}
    for part in rest.split("|") if rest else ():
        found = NAMED.match(part)
        if found is None:
            placed.append(part.strip())
        elif found[1].isdigit():
            placed.append(part[found.end() :].strip())
        else:
            named[found[1].lower()] = part[found.end() :].strip()
    return placed, named


def _first(placed: Arguments, named: Mapping[str, str]) -> str:
    return placed[0] if placed else named.get("text", named.get("quote", ""))


def _second(placed: Arguments, named: Mapping[str, str]) -> str:
    return placed[1] if len(placed) > 1 else named.get("text", "")


def _last(placed: Arguments, named: Mapping[str, str]) -> str:
    return placed[-1] if placed else ""


def _convert(placed: Arguments, named: Mapping[str, str]) -> str:
    """Return `10 km`, or `10–20 km`, of {{convert|10|km|mi}}."""
    if len(placed) < 2:
        return " ".join(placed)
    if placed[1] in ("-", "–", "to", "and", "x", "by", "to(-)", "×", "or") and len(placed) > 3:
        joint = "–" if placed[1] in ("-", "–") else f" {placed[1]} "
        return f"{placed[0]}{joint}{placed[2]} {placed[3]}"
    return f"{placed[0]} {placed[1]}"


def _nihongo(placed: Arguments, named: Mapping[str, str]) -> str:
    """Return `Kyoto (京都, Kyōto)` of {{nihongo|Kyoto|京都|Kyōto}}."""
    inner = ", ".join(filter(None, placed[1:3]))
    return f"{placed[0]} ({inner})" if placed and inner else _first(placed, named)


def _circa(placed: Arguments, named: Mapping[str, str]) -> str:
    return f"c. {placed[0]}" if placed else "c."


def _fraction(placed: Arguments, named: Mapping[str, str]) -> str:
    if len(placed) > 2:
        return f"{placed[0]} {placed[1]}/{placed[2]}"
    return f"{placed[0]}/{placed[1]}" if len(placed) > 1 else f"1/{placed[0]}" if placed else ""


def _as_of(placed: Arguments, named: Mapping[str, str]) -> str:
    lead = "as of" if named.get("lc") in ("y", "yes", "on") else "As of"
    return named.get("alt") or f"{lead} {'-'.join(placed)}".strip()


def _value(placed: Arguments, named: Mapping[str, str]) -> str:
    error = f"±{placed[1]}" if len(placed) > 1 else ""
    power = f"×10^{named['e']}" if "e" in named else ""
    unit = named.get("u") or named.get("ul") or named.get("upl") or ""
    return f"{placed[0]}{error}{power} {unit}".rstrip() if placed else ""


def _lines(placed: Arguments, named: Mapping[str, str]) -> str:
    return "".join(f"\n* {each}" for each in placed if each)


_KEPT: Mapping[str, Callable[[Arguments, Mapping[str, str]], str]] = {
    **{name.replace("%", " "): _first for name in _FIRST.split()},
    **{name.replace("%", " "): _second for name in _SECOND.split()},
    **{name.replace("%", " "): _last for name in _LAST.split()},
    **dict.fromkeys(("convert", "cvt", "convert/2"), _convert),
    **dict.fromkeys(("nihongo", "nihongo3"), _nihongo),
    **dict.fromkeys(("c.", "circa", "ca"), _circa),
    **dict.fromkeys(("frac", "sfrac", "fraction"), _fraction),
    **dict.fromkeys(("as of",), _as_of),
    **dict.fromkeys(("val",), _value),
    **dict.fromkeys(("ubl", "unbulleted list", "plainlist", "flatlist"), _lines),
}
