"""Documentation: pdoc renders the light modules without a warning, and every file that a docstring names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import style
from tests.test_house import MADE_BY_READERS

RENDER = """
import os, sys, warnings
from pathlib import Path
os.environ["PDOC_DISPLAY_ENV_VARS"] = "1"  # pdoc warns of a default that equals a variable of whoever runs the tests
import pdoc

warnings.simplefilter("error")
# pdoc looks for the names in a NamedTuple's generated constructor in no module.
warnings.filterwarnings("ignore", r"Error parsing type annotation ForwardRef\\(.*\\) for .*\\.__init__")
pdoc.pdoc(*sys.argv[2:], output_directory=Path(sys.argv[1]))
"""
LIGHT = ("launch", "jobs", "envs.levels", "envs.bootstrap", "envs.install", "stages.shared", "stages.formats")
"""Modules and packages that import in a second; besides them every stage's config."""
NAMED = re.compile(r"\b(?:jobs|stages|templates|envs|tests)/[\w./-]+\.\w+")


def test_the_pages_of_light_modules_render_without_a_warning(tmp_path: Path) -> None:
    configs = [module.dotted for module in style.source() if re.fullmatch(r"stages/\w+/config.py", module.name)]
    command = [sys.executable, "-c", RENDER, str(tmp_path), *LIGHT, *configs]
    done = subprocess.run(command, cwd=style.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = {str(path.relative_to(tmp_path).with_suffix("")) for path in tmp_path.rglob("*.html")}
    assert {"launch", "jobs/plan/graph", "stages/shared/contract", "stages/web/config"} <= pages


def test_every_file_that_a_docstring_or_comment_names_exists() -> None:
    missing = [
        f"{module.name}:{line} names {name}"
        for module in style.source()
        for line, text in style.prose(module)
        for name in NAMED.findall(text)
        if name not in MADE_BY_READERS and not (style.ROOT / name).exists()
    ]
    assert not missing, "\n".join(missing)
