import subprocess
import sys
from pathlib import Path

from stages.report.config import ReportConfig
from stages.shared.contract import InputFile
from tests.stages.harness import run_stage
from tests.stages.report.journey import make_run

ROOT = Path(__file__).parents[3]


def test_the_step_writes_the_report_of_its_run(tmp_path: Path) -> None:
    files = make_run(tmp_path / "run")
    inputs = {field: tuple(InputFile(path, source) for path, source in found) for field, found in files.items()}
    outputs = run_stage(ReportConfig(**dict.fromkeys(files, "given")), inputs, tmp_path / "run")
    page = outputs["report"][0].path.read_text()
    assert 'id="pages-kept" data-value="1448"' in page
    assert 'data-job="pretrain"' in page


def test_a_report_of_nothing_can_be_planned_and_made(tmp_path: Path) -> None:
    (step,) = ReportConfig().plan({}).steps
    assert step.reads == ()
    assert "Not run:" in run_stage(ReportConfig(), {}, tmp_path / "run")["report"][0].path.read_text()


def test_making_a_report_imports_nothing_heavy() -> None:
    probe = (
        "import sys, stages.report.build; sys.exit(bool({'torch', 'plotly', 'numpy', 'lm_eval'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0
