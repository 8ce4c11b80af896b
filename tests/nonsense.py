"""A seeded generator of nonsense for the front door: valid commands, recipes, cluster files and runs, then damaged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jobs.plan.cluster import Cluster, Resources
from jobs.plan.extends import load_chain, merged_values

VALUES = (
    "0", "-1", "1e300", "1e999", "0.0001", "99999999999999999999", "9" * 5000, "", "~", "null", "true", "False", "on",
    "NaN", ".nan", ".inf", "-.inf", "2020-01-01", "1:30:00", "010", "0x10", "0o7", "1_000", "+1", "--1", "[]", "{}",
    "[[]]", "[1, a]", "{a: 1}", "{a: {b: {c: [1]}}}", "{1: 2}", "{null: 2}", "{a: 1, a: 2}", "[null]", "[0, -1]",
    "''", '"\\0"', '"\\ud800"', "\x1b[2J", "a\nb", "\ta", "é", "日本", "\udcff", "\u202e", "x" * 3000, "~/x",
    "~nobodyx/y", "/", "/dev/null", "/dev/zero", "/proc/self/mem", "from:", "from:nothing", "from:web",
    "from:from:web", "[::0]", "x.paths", "CC-MAIN-2024-10[::0]", "CC-MAIN-2024-10[5:5]", "*", "**", "[*]", "&a", "*a",
    "&a [*a]", "!!python/object:os.system", "!x", "%", "@", "`", "{", "]", "[" * 2000, ": ", "- -", "#", "---", "<<",
    "{<<: 1}", "a: b: c", "s3://", "https://", "http://[", "file:///etc/passwd", "$(touch pwned)", "`id`",
    "{{ 7*7 }}", "%s%n", "../../etc", "custom", "auto", "none", "bf16", "EN",
)  # fmt: skip
BYTES = (
    b"\xff",
    b"\x00",
    b"\t",
    b"\x1b",
    b": : ",
    b"[",
    b"}",
    b'"',
    b"&a ",
    b"*b",
    b"- ",
    b"\n---\n",
    b"\xc3",
    b"!!set ",
    b"<<: 1\n",
)
VERBS_OF_RUNS = ("status", "logs", "heal", "cancel", "report", "tune")


@dataclass(frozen=True)
class Nonsense:
    """One command, and the words of which a refusal must hold one: the setting or file as the user wrote it."""

    argv: tuple[str, ...]
    names: tuple[str, ...]


class Generator:
    """Makes commands, by its seed. Files lie below `folder`; `run` is the folder of a good run."""

    def __init__(self, seed: int, folder: Path, run: Path) -> None:
        self.random = random.Random(seed)
        self.folder, self.run = folder, run
        self.recipe = merged_values(load_chain("demo"))
        self.settings = [*_paths(self.recipe), *(f"resources.tokenizer.{name}" for name in Resources.model_fields)]
        self.count = 0

    def commands(self, number: int) -> Iterator[Nonsense]:
        """Yield so many commands."""
        kinds = (self._override, self._override, self._override, self._recipe, self._cluster, self._words, self._run)
        for _ in range(number):
            self.count += 1
            yield self.random.choice(kinds)()

    def _some(self, *given: str) -> str:
        return self.random.choice(given)

    def _plan(self, recipe: str, *words: str, cluster: str = "local") -> tuple[str, ...]:
        form = self._some("", "", "--json", "--sbatch")
        return (
            "plan",
            recipe,
            "--cluster",
            cluster,
            *words,
            *filter(None, [form]),
            "--runs",
            str(self.folder / "runs"),
        )

    def _override(self) -> Nonsense:
        """A setting of the demo with a value of another kind, or a setting that is none."""
        path, value = self.random.choice(self.settings), self.random.choice(VALUES)
        place = self.random.randrange(len(path))
        other = (
            path[:place] + path[place + 1 :],
            path + ".x",
            f"{path}.0",
            path.upper(),
            path[::-1],
            f".{path}",
            f"{path}.",
        )
        path = path if self.random.random() < 0.8 else self.random.choice(other)
        written = self._some(f"{path}={value}", f"{path}={value}", f"{path}={value}", path, f"{path}=={value}")
        section = path.strip(".").partition(".")[0]
        names = ("--set", path, *(path.rsplit(".", cut)[0] for cut in (1, 2)), f"{section}.", section)
        return Nonsense(self._plan("demo", "--set", written), names)

    def _recipe(self) -> Nonsense:
        text = yaml.safe_dump(self.recipe, allow_unicode=True)
        return self._of_file(text, "recipe.yaml", lambda path: self._plan(str(path)), tuple(self.recipe))

    def _cluster(self) -> Nonsense:
        values: dict[str, Any] = {
            "kind": self._some("local", "slurm"),
            "defaults": {"data": {"cpus": 2, "time_min": 60}},
        }
        name = self.random.choice(sorted(Cluster.model_fields))
        if self.random.random() < 0.7:
            values[name] = "VALUE"
        else:
            name = self.random.choice(sorted(Resources.model_fields))
            values["defaults"]["data"][name] = "VALUE"
        text = yaml.safe_dump(values).replace("VALUE", self.random.choice(VALUES).replace("\udcff", "?"))
        return self._of_file(
            text, "cluster.yaml", lambda path: self._plan("demo", cluster=str(path)), (name, "defaults")
        )

    def _of_file(self, text: str, name: str, command: Any, settings: tuple[str, ...]) -> Nonsense:
        """A command that reads a file which is damaged, or no file at all."""
        folder = self.folder / f"{self.count}"
        folder.mkdir()
        path = folder / name
        kind = self.random.randrange(10)
        if kind == 0:
            path.mkdir()
        elif kind == 1:
            path.symlink_to(self._some("nowhere", name, "/dev/null"))
        elif kind == 2:
            path.write_bytes(self.random.randbytes(200))
        elif kind > 2:
            path.write_bytes(self._damaged(text.encode(), 0 if name.startswith("cluster") else 1))
        return Nonsense(command(path), (str(path), *settings))

    def _damaged(self, raw: bytes, times: int) -> bytes:
        for _ in range(times):
            place, end = sorted(self.random.randrange(len(raw) + 1) for _ in range(2))
            what = self.random.randrange(5)
            lines = raw.splitlines(keepends=True)
            line = self.random.randrange(len(lines)) if lines else 0
            if what == 0:
                raw = raw[:place]
            elif what == 1:
                raw = raw[:place] + self.random.choice(BYTES) + raw[place:]
            elif what == 2 and lines:
                raw = b"".join([*lines[:line], lines[line], *lines[line:]])
            elif what == 3 and lines:
                value = self.random.choice(VALUES).encode(errors="replace")
                raw = b"".join(
                    [*lines[:line], lines[line].partition(b":")[0] + b": " + value + b"\n", *lines[line + 1 :]]
                )
            else:
                raw = raw[:place] + raw[min(end, place + 20) :]
        return raw

    def _words(self) -> Nonsense:
        """A command line with words that are wrong, lacking, or too many."""
        odd = self.random.choice([value for value in VALUES if "\0" not in value])
        flag = self._some("--name", "--runs", "--cluster", "--fault", "recipe", "run", "--rank", "--since", "unknown")
        made: dict[str, tuple[str, ...]] = {
            "--name": self._plan("demo", f"--name={odd}"),
            "--runs": ("plan", "demo", "--cluster", "local", f"--runs={odd}"),
            "--cluster": self._plan("demo", cluster=odd if not odd.startswith("-") and odd != "auto" else "nowhere"),
            "--fault": ("run", "demo", "--cluster=local", f"--fault={odd}:kill", "--runs", str(self.folder / "runs")),
            "recipe": ("plan", "--cluster=local", "--", odd),
            "run": (self._some(*VERBS_OF_RUNS[2:]), "--runs", str(self.folder / "runs"), "--", odd),
            "--rank": ("logs", str(self.run), "tokenizer", f"--rank={odd}"),
            "--since": ("logs", str(self.run), "tokenizer", f"--since={odd}"),
            "unknown": (self._some("plan", "status", "lgos", odd), f"--{odd}", odd),
        }
        return Nonsense(made[flag], (flag, "usage:", "job", odd[:100]))

    def _run(self) -> Nonsense:
        """A verb on a run whose record is damaged, or a job that it does not have."""
        copy = self.folder / f"{self.count}" / "mine"
        shutil.copytree(self.run, copy)
        record = copy / "run.json"
        what = self.random.randrange(4)
        if what == 0:
            record.write_bytes(self._damaged(record.read_bytes(), 1))
        elif what == 1:
            record.write_text(
                self._some("", "{}", "[]", "null", "3", '{"format": 9, "recipe": {}}', "[" * 5000), "utf-8"
            )
        elif what == 2:
            values = json.loads(record.read_text("utf-8"))
            key = self._some(*values)
            values[key] = self.random.choice([None, 0, -1, "x", [], {}, {"a": 1}, [[1]], True])
            record.write_text(json.dumps(values), "utf-8")
        verb = self._some(*VERBS_OF_RUNS) if what != 3 else "logs"
        words = (
            [self._some("tokenizer", "nothing", "tokenizer/9", "tokenizer/x[/y]", "", "/")] if verb == "logs" else []
        )
        return Nonsense((verb, str(copy), *words), (str(copy), "run", "job", "unit", "tokenizer", "mine"))


def _paths(values: Any, above: str = "") -> Iterator[str]:
    """Yield the dotted paths of all settings in a nested mapping."""
    for name, value in values.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{name}.")
