"""Two rounds of online alignment of the closed world against one of the same budget, over seeds.

    python -m tests.bench.online [--seeds 5] [--check]

Each round trains a reward model of all comparisons so far, then a policy from the fine-tuned model. Both policies have
the same steps: only the comparisons of the first policy's own answers tell them apart. A policy's score is the gold
rule's mean over held-out prompts. A reward model's accuracy is that on pairs of the last policy's answers, of which no
reward model has learned.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.align.scoring import RewardModel
from stages.formats.kinds import KINDS
from stages.formats.preferences import read_preferences
from stages.train.state.names import FINAL
from tests.journeys.online import scores, write_recipe, write_world
from tests.launching import launch, unit_dir

COMPARISONS = 40
"""Those that the first reward model learns from."""
LARGE: dict[str, dict[str, Any]] = {
    "sft": {"steps": 240, "warmup_steps": 10},
    "reward": {"steps": 80, "global_batch": 16, "microbatch": 16},
    "ppo": {
        **{"prompts_per_round": 64, "global_batch": 32, "microbatch": 32, "steps": 48, "rollout_batch": 64},
        **{"rollout_shards": None, "lr": 5e-4, "value_lr": 1e-3},
    },
    "answers": {"limit": 240, "samples": 4, "batch": 64, "shards": 1},
    "checked": {"batch": 64, "shards": 1},
}
WANTED = 0.8
"""Share of the seeds in which the second round must be the better one."""


@dataclass(frozen=True)
class Seed:
    """Both rounds of one seed, the first one's number first."""

    gold: tuple[float, float]
    accuracy: tuple[float, float]


def run_seed(seed: int) -> Seed:
    """Run both rounds and return their numbers."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_world(Path(name), COMPARISONS)
        seeded = {section: {**settings, "seed": seed} for section, settings in LARGE.items()}
        recipe = write_recipe(folder, 2, seeded)
        launch("run", str(recipe), "--cluster", "local", "--name", "online", runs=folder)
        run = folder / "online"
        first, second = (accuracy(run, folder, number) for number in (1, 2))
        one, two = (scores(run, number)["ppo/final"] for number in (1, 2))
        return Seed((one, two), (first, second))


def accuracy(run: Path, folder: Path, number: int) -> float:
    """Return the share of the pairs of the last policy's answers that a round's reward model ranks right."""
    final = unit_dir(run, f"reward-{number}.measure") / FINAL
    model = RewardModel(final, folder / KINDS.tokenizer.file, "stagecoach")
    right: list[bool] = []
    for item in read_preferences(unit_dir(run, "labels-2") / KINDS.preferences.file):
        texts = [each.text for each in item.responses]
        rewards = model.score([item.prompt] * len(texts), texts)
        right += [rewards[better] > rewards[worse] for better, worse in item.pairs()]
    return sum(right) / len(right)


def main() -> int:
    """Run and print; with --check, fail if the second round is the better one in too few seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    found = []
    for seed in range(1, options.seeds + 1):
        found.append(run_seed(seed))
        print(f"seed {seed}: gold {found[-1].gold}, accuracy {found[-1].accuracy}", flush=True)
    gold = sum(each.gold[1] > each.gold[0] for each in found)
    ranked = sum(each.accuracy[1] > each.accuracy[0] for each in found)
    print(f"the second round is better: gold {gold}, accuracy {ranked} of {len(found)} seeds")
    return int(options.check and min(gold, ranked) < WANTED * len(found))


if __name__ == "__main__":
    sys.exit(main())
