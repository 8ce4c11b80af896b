"""Alignment on the sample world: how right the reward model ranks, and what the policies gained and lost.

    python -m tests.bench.alignment RUN [--check]

RUN is the folder of a finished run of the recipe `alignment`: `launch.py run alignment --cluster local`. Prints three
tables; for the second one the reward model scores every seventh held-out prompt anew. `--check` fails where an
accuracy, the KL or the perplexity is worse than the README.md of `stages/align/reward` and `stages/align/ppo` have it.
The gold score is printed and not checked: the policy exploits the reward model. `--only reward` reads no policy.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from stages.align.scoring import RewardModel
from stages.formats.chat.reward_reports import RewardReport, read_reward_report
from stages.formats.kinds import KINDS
from stages.formats.preferences import read_preferences
from stages.formats.reinforcement.rounds import read_rounds
from stages.formats.results import UNTRAINED, read_results
from stages.model.checkpoint.load import join_group
from stages.sample.config import UNSEEN, heldout_name
from stages.sample.preferences.gold import Gold, Score
from stages.sample.world import make_world
from stages.train.state.names import FINAL
from tests.launching import step_dir, unit_dir

POLICIES = ("ppo", "free", "alone")
COLUMNS = ("gold", "gold_right", "gold_manners", "gold_brevity", "exact_match (named)", "token_perplexity")
MIN_ACCURACY: Mapping[str, float] = {"unseen_prompt": 0.74, "unseen_wording": 0.74}
"""Least accuracy by held-out source."""
MAX_KL, MAX_PERPLEXITY = 8.0, 1.03
"""Greatest KL of the last round in nats, and greatest ratio of the perplexities."""
SCORED_EVERY = 7
"""Of so many held-out prompts one is scored for the table by kind."""
Row = dict[str, float]


def main() -> int:
    """Print the tables; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", choices=["reward"])
    options = parser.parse_args()
    report = read_reward_report(unit_dir(options.run, "reward.measure") / KINDS.reward.file)
    print("\n".join([*accuracies(report), *by_kind(options.run)]))
    if options.only:
        return 0
    scores, last_kl = measured(options.run), last_kls(options.run)
    print("\n".join(gains(scores, last_kl)))
    failed = failures(report, scores, last_kl) if options.check else []
    print("\n".join(failed))
    return 1 if failed else 0


def accuracies(report: RewardReport) -> list[str]:
    """Return the lines of the reward model's table, its controls last."""
    shares = {**report.sources, "before the training": report.untrained, "the longer one wins": report.longer}
    return [f"{name:>20} {share.accuracy:6.3f} of {share.pairs} pairs" for name, share in shares.items()]


def by_kind(run: Path) -> list[str]:
    """Return the lines of the reward model's table by what the responses of a pair differ in first."""
    join_group()
    pieces = unit_dir(run, "tokenizer") / KINDS.tokenizer.file
    model = RewardModel(unit_dir(run, "reward.measure") / FINAL, pieces, "stagecoach")
    gold, found = Gold(make_world(1)), defaultdict[str, list[bool]](list)
    for name in UNSEEN:
        held_out = list(read_preferences(unit_dir(run, "comparisons.preferences") / heldout_name(name)))
        for each in held_out[::SCORED_EVERY]:
            texts = [response.text for response in each.responses]
            scores = model.score([each.prompt] * len(texts), texts)
            parts = [gold.parts(each.prompt[0].text, text) for text in texts]
            for better, worse in each.pairs():
                found[kind(parts[better], parts[worse])].append(scores[better] > scores[worse])
    return [f"{name:>36} {sum(some) / len(some):6.3f} of {len(some)} pairs" for name, some in sorted(found.items())]


def kind(better: Score, worse: Score) -> str:
    """Return what the responses of a pair differ in: the first part of the rule that does."""
    if {better.right, worse.right} == {0.0, 1.0}:
        return f"right or wrong, {sum(each.brevity < 0.5 for each in (better, worse))} long-winded"
    if better.right != worse.right:
        return "right or wrong, or no answer"
    return "manners" if better.manners != worse.manners else "brevity"


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
