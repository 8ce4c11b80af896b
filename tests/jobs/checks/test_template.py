"""The doctor's words on a site's own batch script."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.checks.template import findings
from tests.jobs import made


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ('{% extends "job.sh.j2" %}{% block prologue %}date{% endblock %}', "ok", "extends the launcher"),
        ("#!/bin/bash\nsrun {{ worker }}\n{{ attempt_end }}\n", "ok", "is whole"),
        ("#!/bin/bash\nsrun {{ worker }}\n", "fail", "lacks {{ attempt_end }}"),
        ("#!/bin/bash\n", "fail", "lacks {{ worker }} and {{ attempt_end }}"),
        ("{% extends job", "fail", "template"),
    ],
)
def test_a_template_is_judged_before_any_job_is_rendered(tmp_path: Path, text: str, level: str, said: str) -> None:
    own = tmp_path / "own.j2"
    own.write_text(text)
    (found,) = findings(made.slurm_cluster(template=str(own)))
    assert found.level == level
    assert said in found.what


def test_a_template_that_is_not_there_is_a_failure_and_none_is_no_finding(tmp_path: Path) -> None:
    (found,) = findings(made.slurm_cluster(template=str(tmp_path / "gone")))
    assert found.level == "fail"
    assert list(findings(made.slurm_cluster())) == []
