import subprocess
import sys
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.report.config import ReportConfig
from stages.shared.contract import InputFile
from tests.stages.harness import run_stage
from tests.stages.report.journey import made, make_run

ROOT = Path(__file__).parents[3]


def page_of(files: tuple[InputFile, ...], run_dir: Path) -> str:
    return run_stage(ReportConfig(), {"of": files}, run_dir)["report"][0].path.read_text()


def test_the_step_writes_the_report_of_its_run(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run"), tmp_path / "run")
    assert 'id="pages-kept" data-value="1448"' in page
    assert 'data-job="pretrain"' in page


def test_a_run_in_which_nothing_has_finished_has_a_report(tmp_path: Path) -> None:
    files = (made(KINDS.funnel, "web", tmp_path / "later"), made(KINDS.metrics, "pretrain", tmp_path / "later too"))
    page = page_of(files, tmp_path / "run")
    assert "Not run yet:</strong> section web has not finished." in page
    assert "Not run yet:</strong> section pretrain has not finished; meanwhile `tensorboard" in page


def test_the_report_reads_the_whole_run_unless_sections_are_named() -> None:
    assert ReportConfig().of == "run"
    (step,) = ReportConfig(of=["web"]).plan({}).steps
    assert (step.reads, step.uses) == (("of",), ())


def test_making_a_report_imports_nothing_heavy() -> None:
    probe = (
        "import sys, stages.report.build; sys.exit(bool({'torch', 'plotly', 'numpy', 'lm_eval'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
