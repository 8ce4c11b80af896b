"""Alignment on the sample world: how right the reward model ranks, and what the policies gained and lost.

    python -m tests.bench.alignment RUN [--check]

RUN is the folder of a finished run of the recipe `alignment`: `launch.py run alignment --cluster local`. Prints two
tables. `--check` fails where an accuracy, the KL or the perplexity is worse than the README.md of `stages/align/reward`
and `stages/align/ppo` have it. The gold score is printed and not checked: the policy exploits the reward model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.formats.chat.reward_reports import RewardReport, read_reward_report
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import read_rounds
from stages.formats.results import UNTRAINED, read_results
from tests.launching import step_dir, unit_dir

POLICIES = ("ppo", "free", "alone")
COLUMNS = ("gold", "gold_right", "gold_manners", "gold_brevity", "exact_match (named)", "token_perplexity")
MIN_ACCURACY: Mapping[str, float] = {"unseen_prompt": 0.74, "unseen_wording": 0.74}
"""Least accuracy by held-out source."""
MAX_KL, MAX_PERPLEXITY = 8.0, 1.03
"""Greatest KL of the last round in nats, and greatest ratio of the perplexities."""
Row = dict[str, float]


def main() -> int:
    """Print the tables; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    report = read_reward_report(unit_dir(options.run, "reward.measure") / KINDS.reward.file)
    print("\n".join(accuracies(report)))
    scores, last_kl = measured(options.run), last_kls(options.run)
    print("\n".join(gains(scores, last_kl)))
    failed = failures(report, scores, last_kl) if options.check else []
    print("\n".join(failed))
    return 1 if failed else 0


def accuracies(report: RewardReport) -> list[str]:
    """Return the lines of the reward model's table, its controls last."""
    shares = {**report.sources, "before the training": report.untrained, "the longer one wins": report.longer}
    return [f"{name:>20} {share.accuracy:6.3f} of {share.pairs} pairs" for name, share in shares.items()]


def measured(run: Path) -> dict[str, Row]:
    """Return the scores of each checkpoint, such as `ppo/step-32`; those of two languages as their mean."""
    found: dict[str, dict[str, list[float]]] = {}
    for file in sorted(step_dir(run, "tax").glob(f"units/*/{KINDS.results.file}")):
        results = read_results(file)
        row = found.setdefault(results.key.source, {})
        for score in results.scores:
            if score.metric in COLUMNS:
                row.setdefault(score.metric, []).append(score.value)
    return {name: {metric: sum(some) / len(some) for metric, some in row.items()} for name, row in found.items()}


def last_kls(run: Path) -> dict[str, float]:
    """Return the KL of each policy's last round."""
    files = {policy: unit_dir(run, policy) / KINDS.rounds.file for policy in POLICIES}
    return {policy: float(read_rounds(file)[-1]["numbers"]["kl"]) for policy, file in files.items() if file.exists()}


def gains(scores: Mapping[str, Row], last_kl: Mapping[str, float]) -> list[str]:
    """Return the lines of the policies' table, a checkpoint each."""
    names = [name for name in sorted(scores) if not name.endswith(UNTRAINED)]
    head = f"{'':>20} " + " ".join(f"{column:>17}" for column in COLUMNS)
    rows = (
        f"{name:>20} " + " ".join(f"{scores[name].get(column, float('nan')):>17.3f}" for column in COLUMNS)
        for name in names
    )
    return [head, *rows, *(f"KL of the last round of {policy}: {kl:.2f}" for policy, kl in last_kl.items())]


def failures(report: RewardReport, scores: Mapping[str, Row], last_kl: Mapping[str, float]) -> list[str]:
    """Return a line for each number that is not reached."""
    start, end = scores["careless/final"], scores["ppo/final"]
    checks = {
        **{f"accuracy {name}": report.sources[name].accuracy >= least for name, least in MIN_ACCURACY.items()},
        "KL": last_kl["ppo"] <= MAX_KL,
        "perplexity": end["token_perplexity"] <= MAX_PERPLEXITY * start["token_perplexity"],
    }
    return [f"not reached: {name}" for name, is_reached in checks.items() if not is_reached]


if __name__ == "__main__":
    sys.exit(main())
