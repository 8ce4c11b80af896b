"""Everything that only a GPU can show, in nine minutes: `python -m tests.gpu --out FOLDER`.

Without a GPU its small half runs on the CPU. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from stages.shared.files import write_json
from tests.gpu.cases import REFERENCES, SMALL, merged
from tests.gpu.checks import CHECKS, EVERYWHERE, REFERENCE, Bench, data, versions
from tests.gpu.children import children
from tests.gpu.rows import Report


def main() -> int:
    """Run the checks, print a table; return 1 if one failed."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    report = Report(options.out / "gpu.json")
    with (
        tempfile.TemporaryDirectory(prefix="stagecoach-gpu-") as name,
        children(Path(name), 60 * options.minutes) as lent,
    ):
        bench = Bench(children=lent, report=report)
        if options.write_reference:
            return _write_reference(bench)
        if data(bench):
            versions(bench)
            for check in options.only or (CHECKS if bench.large or options.all else EVERYWHERE):
                CHECKS[check](bench)
    table = report.table()
    (options.out / "gpu.txt").write_text(table + "\n", "utf-8")
    print(f"\n{table}")
    return int(report.has_failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder for gpu.json and gpu.txt")
    parser.add_argument("--minutes", type=float, default=9.0, help="what has not begun by then is skipped")
    parser.add_argument("--only", choices=CHECKS, action="append", help="one check; may be repeated")
    parser.add_argument("--all", action="store_true", help="without a GPU: its checks too, on the small model")
    parser.add_argument("--write-reference", action="store_true", help="on a CPU: renew reference.json")
    return parser.parse_args()


def _write_reference(bench: Bench) -> int:
    losses = {}
    if not data(bench):
        return 1
    for variant in REFERENCES:
        answer = bench.train(merged(SMALL, variant.settings), 120)
        if answer.problem:
            print(f"{variant.name}: {answer.problem}", file=sys.stderr)
            return 1
        losses[variant.name] = [round(loss, 7) for loss in answer.values["losses"]]
    write_json(REFERENCE, {"data": bench.digest, "losses": losses})
    return 0


if __name__ == "__main__":
    sys.exit(main())
