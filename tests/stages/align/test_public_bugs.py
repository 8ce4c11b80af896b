"""Bugs that others reported of alignment: the page names a test for each."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "stages" / "align" / "public_bugs.md"
CANNOT_OCCUR = {18}


def test_every_bug_of_the_page_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == [*range(1, 49)]
    assert {int(number) for number, named in rows if named == "none"} == CANNOT_OCCUR
    for number, named in rows:
        if int(number) not in CANNOT_OCCUR:
            file, _, name = named.strip("`").partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"
