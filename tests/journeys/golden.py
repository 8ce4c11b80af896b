"""Golden digests: a step's bytes change only together with its declared version.

tests/journeys/demo.golden.json holds, for each step of the demo, its version, the digest of all identities of its
units, and one digest of all their files. test_demo.py compares them with a new run.

Renew the file after a declared change, and name in .github/CHANGELOG.md the steps that will run again:

    STAGECOACH_UPDATE_GOLDEN=1 python -m pytest tests/journeys/test_demo.py -k golden
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.plan.graph import Graph, Job
from jobs.runs import Run

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("demo.golden.json")
RENEW = "STAGECOACH_UPDATE_GOLDEN=1 python -m pytest tests/journeys/test_demo.py -k golden"

VOLATILE_STEPS = {"report": "shows times of day, durations and the host's name"}
"""Jobs that are not compared, and the reason."""
VOLATILE_FILES = {
    "tensorboard/*": "events carry wall times; their name carries the host's",
    "*.warc.gz": "zlib's output depends on the build of Python; the pages in it are in the output of web.extract",
    "ranks.json": "measured seconds and memory",
    "*/.metadata": "pickled by torch, and Python 3.11.2 pickles enumerations otherwise than 3.11.7",
    "*/complete.json": "holds the digest of `.metadata`; the other files are compared themselves",
}
"""Files that are not compared, by pattern of the path in the unit's folder, and the reason."""
VOLATILE_FIELDS = {
    "metrics.jsonl": ("wall_time", "tokens_per_s", "memory_mb"),  # measured
    # lm-eval's source texts of functions, docstrings included; the digest of a checkpoint, with its `.metadata`
    "results.json": ("configs", "checkpoint"),
    "generations.jsonl": ("checkpoint",),
    "state.json": ("start",),  # the same digest, of the checkpoint that a fine-tuning starts from
}
"""Fields at any depth that are not compared, by name of the JSON file."""
CPU_JOBS = ("pretrain", "evaluate", "sft.sft", "exam")
"""Jobs with floating-point sums whose order depends on the processor's vector units."""


@dataclass(frozen=True)
class Golden:
    """The state of one step's output."""

    version: int
    identity: str
    """Digest of the identities of all units: settings, inputs and version."""
    files: str
    """Digest of (unit key, file name, bytes) of all files that are compared."""


@dataclass(frozen=True)
class Comparison:
    """A run beside the golden file."""

    found: Mapping[str, Golden]
    undeclared: tuple[str, ...]
    """Errors: steps with other bytes under the same identity."""
    stale: tuple[str, ...]
    """Steps whose declared identity differs from the golden file's."""
    left_out: tuple[str, ...]
    """Jobs that are not comparable, because another kind of processor made the golden file."""
    processor: str
    """Name of the processor that made the golden file."""


def compare(found: Mapping[str, Golden], graph: Graph) -> Comparison:
    """Return a run's state beside the golden file."""
    record = json.loads(FILE.read_text(encoding="utf-8"))
    golden = {job: Golden(**state) for job, state in record["steps"].items()}
    left_out = () if record["processor"] == processor() else CPU_JOBS
    bytes_of = {job: state for job, state in found.items() if job not in left_out}
    errors, lines = undeclared(golden, bytes_of, graph), stale(golden, found)
    return Comparison(found, tuple(errors), tuple(lines), left_out, record["processor"]["model name"])


def measure(run: Run) -> dict[str, Golden]:
    """Return the state of every step of a finished run, by job."""
    return {
        name: Golden(job.step.version, job.roll[:12], files_digest(unit_folders(run, job)))
        for name, job in run.graph.jobs.items()
        if name not in VOLATILE_STEPS
    }


def unit_folders(run: Run, job: Job) -> dict[str, Path]:
    """Return the folder of each unit by its key."""
    step = run.paths.step(job.name, job.fingerprint)
    return {unit.key: step.unit(unit.folder) for unit in job.units.values()}


def files_digest(units: Mapping[str, Path]) -> str:
    """Return one digest of all files of the units that are compared."""
    found = hashlib.sha256()
    for key, folder in sorted(units.items()):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = PurePosixPath(path.relative_to(folder))
            if not any(name.match(pattern) for pattern in VOLATILE_FILES):
                found.update(json.dumps([key, str(name), hashlib.sha256(_content(path)).hexdigest()]).encode())
    return found.hexdigest()


def _content(path: Path) -> bytes:
    """Return a file's bytes without volatile fields."""
    fields = VOLATILE_FIELDS.get(path.name)
    if not fields:
        return path.read_bytes()
    text = path.read_text(encoding="utf-8")
    records = map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text])
    return "\n".join(json.dumps(_without(record, fields), sort_keys=True) for record in records).encode()


def _without(value: Any, fields: Iterable[str]) -> Any:
    if isinstance(value, list):
        return [_without(each, fields) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, fields) for name, each in value.items() if name not in fields}
    return value


def undeclared(golden: Mapping[str, Golden], found: Mapping[str, Golden], graph: Graph) -> Iterator[str]:
    """Yield an error for each step that wrote other bytes under the same identity.

    A step that reads from such a step is left out: it has other bytes because of its input.
    """
    changed: set[str] = set()
    for job in found.keys() & golden.keys():
        before, now = golden[job], found[job]
        if before.files != now.files and (before.version, before.identity) == (now.version, now.identity):
            changed.add(job)
    reached = {below for job in changed for below in graph.downstream(job)}
    for job in graph.jobs:
        if job in changed - reached:
            where = version_file(graph.jobs[job])
            version = found[job].version
            yield f"{job}: bytes changed but version is still {version}: raise version in {where} (or mend the change)"


def stale(golden: Mapping[str, Golden], found: Mapping[str, Golden]) -> Iterator[str]:
    """Yield a line for each step whose identity differs from the golden file's."""
    for job in sorted(golden.keys() | found.keys()):
        before, now = golden.get(job), found.get(job)
        if before is None or now is None:
            yield f"{job}: {'new' if before is None else 'gone'}"
        elif before.version != now.version:
            yield f"{job}: version {before.version} -> {now.version}"
        elif before.identity != now.identity:
            yield f"{job}: other settings or inputs"


def version_file(job: Job) -> str:
    """Return the file that declares a step's version: the stage's plan.py, else the module with its `plan`."""
    path = ROOT / "stages" / job.config.stage / "plan.py"
    if not path.is_file():
        path = Path(inspect.getfile(type(job.config).plan))
    return str(path.relative_to(ROOT))


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Return what decides how sums are ordered: the processor's family and its vector instructions."""
    text = cpuinfo.read_text(encoding="utf-8")
    fields = {name: _field(text, name) for name in ("vendor_id", "cpu family", "model", "model name")}
    flags = sorted(flag for flag in _field(text, "flags").split() if re.match("sse4|avx|fma|amx|f16c", flag))
    return {**fields, "flags": " ".join(flags)}


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{name}\s*: *(.*)$", text, re.MULTILINE)
    return match.group(1) if match else ""


def write(found: Mapping[str, Golden]) -> None:
    """Write the golden file from this machine's run."""
    record = {"processor": processor(), "steps": {job: asdict(state) for job, state in sorted(found.items())}}
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
