"""The script for a GPU, without one: its small half, its limits, and patches that compute the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.model.layers import norm, rotary, swiglu
from stages.shared.files import read_json
from tests.gpu import sinks
from tests.gpu.cases import NARROW, PLAIN, REFERENCES, VARIANTS, merged
from tests.gpu.checks import REFERENCE
from tests.gpu.children import children
from tests.gpu.data import write_data
from tests.gpu.rows import Report, Row

ROOT = Path(__file__).resolve().parents[2]


def run(out: Path, *options: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Return the exit code, the output and the rows of the script."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.gpu", "--out", str(out), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr, json.loads((out / "gpu.json").read_text("utf-8"))["rows"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has a script of its own: this one")
def test_the_script_ends_in_a_table_and_a_file(tmp_path: Path) -> None:
    code, output, rows = run(tmp_path, "--only", "losses")
    assert code == 0, output
    assert [(row["case"], row["verdict"]) for row in rows] == [("found", "measured"), ("fp32", "ok"), ("bf16", "ok")]
    assert (tmp_path / "gpu.txt").read_text("utf-8").strip() in output


def test_what_has_no_time_left_is_skipped(tmp_path: Path) -> None:
    code, output, rows = run(tmp_path, "--only", "losses", "--minutes", "0")
    assert code == 0, output
    assert [(row["check"], row["verdict"], row["note"]) for row in rows] == [("data", "skipped", "no time is left")]


def test_a_process_over_its_limit_is_ended_and_named(tmp_path: Path) -> None:
    with children(tmp_path, 60) as lent:
        answer = lent.ask("versions", {}, 0.2)
    assert (answer.code, answer.values) == (None, {})
    assert answer.problem == "over its limit of 0 s"


def test_a_process_that_breaks_shows_its_last_line(tmp_path: Path) -> None:
    with children(tmp_path, 600) as lent:
        answer = lent.ask("no such work", {}, 600)
    assert answer.problem == "KeyError: 'no such work'"
    assert len(answer.log) > 1


def test_the_made_up_data_is_the_references(tmp_path: Path) -> None:
    wanted = read_json(REFERENCE)
    assert write_data(tmp_path / "data") == wanted["data"]
    assert {variant.reference for variant in (PLAIN, NARROW, *VARIANTS)} == {*wanted["losses"]}
    assert {variant.name for variant in REFERENCES} == {*wanted["losses"]}


def test_a_variant_changes_of_a_section_only_what_it_names() -> None:
    size = {"model": {"dim": 64, "num_layers": 2}, "steps": 3}
    assert merged(size, {"model": {"dim": 8}, "blanks": {}}) == {
        "model": {"dim": 8, "num_layers": 2},
        "steps": 3,
        "blanks": {},
    }
    assert size["model"] == {"dim": 64, "num_layers": 2}


def test_a_failed_row_fails_the_script_and_every_row_is_in_the_file(tmp_path: Path) -> None:
    report = Report(tmp_path / "gpu.json")
    report.add(Row(check="costs", case="bf16", verdict="measured", memory_mb=110.0, planned_mb=100.0))
    assert not report.has_failed
    report.add(Row(check="losses", case="fp32", verdict="FAILED", note="over its limit of 60 s"))
    assert report.has_failed
    assert "+10%" in report.table()
    assert len(read_json(tmp_path / "gpu.json")["rows"]) == 2


def test_the_compiled_chains_compute_what_they_replace() -> None:
    x = torch.randn(5, 2, 4, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    tables = rotary.rope_tables(5, 16, 10_000, x.dtype, x.device)
    assert torch.allclose(sinks._rope(x, *tables), rotary.apply_rope(x, *tables))
    rms_norm: Any = norm._RMSNorm
    gate: Any = swiglu._SwiGLU
    gain, narrow = torch.rand(16), x.float()
    assert torch.allclose(sinks._rms_norm(narrow, gain, 1e-5), rms_norm.apply(narrow, gain, 1e-5), atol=1e-6)
    assert torch.allclose(sinks._swiglu(x), gate.apply(x))
