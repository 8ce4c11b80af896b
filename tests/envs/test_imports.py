"""Every module can import what it names at the level where it runs: its packages follow from that level's pins.

The tests themselves run at the level `test`, where a package may be there for a test's sake only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from envs.levels import REPO, requirement_files

LEVEL = {"launch.py": "launcher", "envs": "launcher", "jobs": "launcher", "stages": "stages"}
OWN = {"launch", "envs", "jobs", "stages"}
CHOSEN = {"vllm"}
"""Backends that a site installs for itself."""
OF_A_JOB = {"envs/check_gloo.py"}
"""Modules outside `stages` that start as a training job does."""


@lru_cache
def installed_by(level: str) -> frozenset[str]:
    """Return the distributions that the pins of `level` install, indirect ones included."""
    asked = [
        Requirement(line)
        for file in requirement_files(level)
        for line in file.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    found: set[tuple[str, str]] = set()
    while asked:
        wanted = asked.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *wanted.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                asked += required(name, extra)
    return frozenset(name for name, _extra in found)


def required(name: str, extra: str) -> Iterator[Requirement]:
    """Yield what distribution `name` requires on this machine, with `extra` or, if it is empty, without any."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # An older twin for other Pythons or systems.
        return
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted


def imports(part: str) -> dict[str, set[str]]:
    """Return the packages from elsewhere that the modules of `part` import, each with these modules."""
    found = defaultdict(set)
    top = REPO / part
    for path in [top] if top.is_file() else top.rglob("*.py"):
        if str(path.relative_to(REPO)) in OF_A_JOB:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                package = name.partition(".")[0]
                if package not in OWN and package not in sys.stdlib_module_names and package not in CHOSEN:
                    found[package].add(str(path.relative_to(REPO)))
    return found


@pytest.mark.parametrize("part", LEVEL)
def test_what_a_part_imports_is_installed_at_its_level(part: str) -> None:
    givers = metadata.packages_distributions()
    there = installed_by(LEVEL[part])
    missing = {
        package: sorted(modules)
        for package, modules in imports(part).items()
        if not there & {canonicalize_name(name) for name in givers.get(package, [])}
    }
    assert not missing


def test_a_package_of_the_tests_alone_is_not_found_at_the_level_of_the_stages() -> None:
    assert "pytest" in installed_by("test") - installed_by("stages")
    assert {"torch", "lxml"} <= installed_by("stages")
    assert "torch" not in installed_by("launcher")


def test_the_launcher_and_every_settings_module_run_on_the_launchers_level_alone() -> None:
    modules = ["launch", *(dotted(path) for path in sorted((REPO / "jobs").rglob("*.py")))]
    modules += [dotted(path) for path in sorted((REPO / "stages").rglob("config.py"))]
    names = {
        name: {canonicalize_name(giver) for giver in givers}
        for name, givers in metadata.packages_distributions().items()
    }
    hidden = sorted(name for name, givers in names.items() if not givers & installed_by("launcher"))
    done = subprocess.run([sys.executable, "-c", WITHOUT, *hidden, "--", *modules], cwd=REPO, text=True, check=False)
    assert done.returncode == 0


WITHOUT = """
import importlib, importlib.abc, sys
cut = sys.argv.index("--")
hidden, modules = set(sys.argv[1:cut]), sys.argv[cut + 1:]
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is of a larger level", name=name)
sys.meta_path.insert(0, Hide())
for module in modules:
    importlib.import_module(module)
"""
"""A process in which some packages are not there imports modules."""


def dotted(path: Path) -> str:
    """Return the module of a file."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
