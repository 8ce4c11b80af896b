"""The table of parts, and the way to add one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.report.config import ReportConfig
from stages.report.parts.table import FOLDERS, claimed
from stages.shared.contract import ReadsRun

ROOT = Path(__file__).parents[4]
PART = """
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Part, View


def show(material: Material) -> View:
    sizes = {file.source: file.path.stat().st_size for file in material.of(KINDS.facts)}
    card = Card(id="facts", label="facts", text=str(len(sizes)), value=len(sizes), note="")
    return View(values={"sizes": sizes}, cards=(card,))


PART = Part(title="Facts & figures", kinds=(KINDS.facts,), show=show)
"""
TEMPLATE = """
<ul id="{{ id('sizes') }}">{% for source, bytes in sizes.items() %}<li>{{ source }}: {{ bytes }}</li>{% endfor %}</ul>
"""
REPORT = """
import sys
from pathlib import Path
from stages.report.build import build_report
from stages.report.config import ReportConfig
from stages.shared.contract import InputFile
folder = Path(sys.argv[1])
(folder / "facts.jsonl").write_text("12345")
file = InputFile(folder / "facts.jsonl", "<b>", kind="facts", section="sample")
build_report(folder, [file], folder / "report.html")
(reads,) = ReportConfig.model_fields["of"].metadata
print(*(kind.name for kind in reads.kinds))
"""


def test_the_report_reads_every_kind_that_a_part_claims() -> None:
    (reads,) = ReportConfig.model_fields["of"].metadata
    assert reads == ReadsRun(claimed())
    assert {KINDS.funnel, KINDS.metrics, KINDS.results, KINDS.generations, KINDS.token_counts} <= set(reads.kinds)


def test_every_folder_beside_the_table_is_a_part_in_it() -> None:
    parts = {path.parent.name for path in (ROOT / "stages" / "report" / "parts").glob("*/part.py")}
    assert parts == set(FOLDERS)


def test_a_new_part_is_a_folder_and_a_line_in_the_table(tmp_path: Path) -> None:
    for room in (
        "stages/shared",
        "stages/formats",
        "stages/text",
        "stages/teacher",
        "stages/report",
        "templates/report",
    ):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    parts = tmp_path / "stages" / "report" / "parts"
    (parts / "facts").mkdir()
    (parts / "facts" / "part.py").write_text(PART)
    (parts / "facts" / "part.html.j2").write_text(TEMPLATE)
    table = parts / "table.py"
    table.write_text(table.read_text().replace('    "timeline",\n', '    "timeline",\n    "facts",\n'))
    command = [sys.executable, "-c", REPORT, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "facts"
    page = (tmp_path / "report.html").read_text()
    assert '<ul id="sizes"><li>&lt;b&gt;: 5</li></ul>' in page
    assert re.search(r'<h2 id="facts-title">Facts &amp; figures</h2>', page)
    assert '<a href="#facts">Facts &amp; figures</a>' in page
