"""Over-optimisation on the sample world: the gold score of held-out answers against the KL to the fine-tuned model.

    python -m tests.bench.overoptimisation DEMO WORK [--betas 0 0.1] [--steps 256] [--every 32]

DEMO is the folder of a finished demo, which is copied into WORK. Trains the demo's policy longer, without a
price of KL and with some, and once without text of the pretraining. Evaluates checkpoints of each: the gold rule's
score of sampled answers, and the perplexity of held-out pages. Where a policy exploits errors of the reward model, its
reward still grows while the gold score falls. Two idle cores take a minute for 64 steps of each policy.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import read_rounds
from stages.formats.results import UNTRAINED, read_results
from tests.launching import ROOT, launch, step_dir, unit_dir

CURVES = "curves"
COLUMNS = ("gold", "gold_right", "gold_manners", "gold_brevity", "token_perplexity")
Row = dict[str, float]


def recipe(betas: Sequence[float], steps: int, every: int) -> dict[str, Any]:
    """Return the recipe: the demo's policy for each beta, and for the demo's own beta without its text."""
    demo = yaml.safe_load((ROOT / "jobs" / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    body = {**demo["ppo"], "steps": steps, "checkpoint_keep_every": every, "checkpoint_every": every}
    alone = {name: value for name, value in body.items() if name not in ("tokens", "ptx")}
    policies = {f"beta_{beta:g}".replace(".", "_"): {**body, "kl": {"beta": beta}} for beta in betas}
    policies["without_ptx"] = alone
    exam = {name: demo["exam"][name] for name in ("tokenizer", "heldout", "definitions")}
    answers = [{"task": f"answers_{language}", "chat": True} for language in ("en", "zh")]
    checkpoints = {name: f"from:{name}" for name in policies}
    curves = {"stage": "evaluate", "checkpoints": checkpoints, **exam, "tasks": ["perplexity", *answers]}
    about = "Policies that are trained too long."
    return {"about": about, "extends": "demo", "targets": [CURVES], **policies, CURVES: curves}


def measured(run: Path) -> dict[str, dict[int, Row]]:
    """Return the scores of each checkpoint by policy and step; those of two languages as their mean."""
    found: dict[str, dict[int, dict[str, list[float]]]] = {}
    for file in sorted(step_dir(run, CURVES).glob(f"units/*/{KINDS.results.file}")):
        results = read_results(file)
        policy, _, checkpoint = results.key.source.partition("/")
        step = checkpoint.removeprefix("step-") if checkpoint != UNTRAINED else "0"
        if not step.isdigit():
            continue
        row = found.setdefault(policy, {}).setdefault(int(step), {})
        for score in results.scores:
            if score.metric in COLUMNS:
                row.setdefault(score.metric, []).append(score.value)
    return {
        policy: {step: {name: sum(some) / len(some) for name, some in row.items()} for step, row in rows.items()}
        for policy, rows in found.items()
    }


def table(run: Path, policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table: a block a policy, a line a checkpoint before which a round was sampled."""
    scores, lines = measured(run), []
    for policy, settings in policies.items():
        rounds = read_rounds(unit_dir(run, policy) / KINDS.rounds.file)
        updates = settings["steps"] // len(rounds)
        lines += [f"\n{policy}", f"{'step':>5} {'KL':>6} {'reward':>7} " + " ".join(f"{name:>16}" for name in COLUMNS)]
        for step, row in sorted(scores[policy].items()):
            numbers = rounds[step // updates]["numbers"] if step // updates < len(rounds) else {}
            kl, reward = (numbers.get(name, float("nan")) for name in ("kl", "score"))
            lines.append(f"{step:>5} {kl:>6.2f} {reward:>7.2f} " + " ".join(f"{row[name]:>16.3f}" for name in COLUMNS))
    return lines


def main() -> int:
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--betas", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--every", type=int, default=32)
    options = parser.parse_args()
    run = options.work.absolute() / "demo"
    if not run.exists():
        shutil.copytree(options.demo, run, symlinks=True)
    made = recipe(options.betas, options.steps, options.every)
    path = options.work.absolute() / "overoptimisation.yaml"
    path.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    launch("run", str(path), "--name", "demo", "--cluster", "local", "--yes", runs=run.parent, timeout=6 * 3600)
    print("\n".join(table(run, {name: body for name, body in made.items() if name in made[CURVES]["checkpoints"]})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
