import re
from pathlib import Path

from stages.sample.kinds import REASON_OF
from stages.text.reasons import EXPLANATIONS, explain
from stages.text.rules.table import QUALITY, REPETITION

ROOT = Path(__file__).parents[3]
RETURNED = re.compile(
    r"""return "([a-z_]+)"$|(?:LostPage|_lose|_lost)\("([a-z_]+)"|"([a-z_]+)"(?: if .*)? else "([a-z_]+)"\)"""
)


def test_a_rule_is_explained_by_its_row() -> None:
    for row in (*REPETITION, *QUALITY):
        assert explain(row.reason) == row.explanation


def test_every_reason_that_the_sample_plants_is_explained() -> None:
    assert all(explain(reason) for reason in REASON_OF.values())


def test_every_reason_in_the_blocks_sources_is_explained() -> None:
    rooms = [ROOT / "stages/web" / name for name in ("read", "urls", "extract")]
    sources = [path for room in [*rooms, ROOT / "stages/text"] for path in room.rglob("*.py")]
    found = {
        reason
        for path in sources
        for line in path.read_text().splitlines()
        if "Lost" in line or "_los" in line or line.strip().startswith("return ")
        for groups in RETURNED.findall(line)
        for reason in groups
        if reason
    }
    assert len(found) > 15
    assert found - {"fallback", "fast_langdetect"} <= set(EXPLANATIONS)


def test_an_unknown_reason_has_no_explanation() -> None:
    assert explain("a reason of tomorrow") == ""
