"""The part about win rates: policies against one of them, controls of the judge, and answers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.formats.chat.chats import Message
from stages.formats.chat.judgements import Judgement, Verdict, WinRate, read_judgement, read_verdicts
from stages.formats.kinds import KINDS
from stages.report.figures import Figure, label
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.words import percent, plural, slug

MAX_SHOWN = 12
"""Prompts whose answers are shown."""
MAX_POLICIES = 6
"""Policies whose answers are shown side by side."""
WORDS = {"win": "better", "loss": "worse", "tie": "unclear", "unparsed": "unclear"}
"""Classes of the style sheet."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answer of a policy as it is shown."""

    policy: str
    text: str
    verdicts: tuple[Verdict, ...]
    """On this answer, by rubric or by person; none on that of the policy that others are compared with."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A prompt with the answers of all policies."""

    prompt: tuple[Message, ...]
    source: str
    answers: tuple[Answered, ...]


def show(material: Material) -> View | Missing:
    """Return the win rates of one section."""
    files = material.of(KINDS.judgement)
    if not files:
        return not_run(f"section {material.section} has judged nothing")
    verdicts = [each for file in material.of(KINDS.verdicts) for each in read_verdicts(file.path)]
    return view(read_judgement(files[0].path), verdicts)


def view(judgement: Judgement, verdicts: Sequence[Verdict]) -> View:
    """Return the tables, the figure and the answers. Pure."""
    rates = [rate for rate in judgement.rates if not rate.control]
    wholes = [rate for rate in rates if not (rate.rubric or rate.source)]
    figure = rates_figure(wholes, judgement.against)
    return View(
        values={
            "judgement": judgement,
            "judge": judge_of(judgement),
            "rates": rates,
            "controls": [rate for rate in judgement.rates if rate.control and not (rate.rubric or rate.source)],
            "verdict": verdict_of,
            "words": WORDS,
            "shown": shown(verdicts),
            "prompts": max((rate.prompts for rate in wholes), default=0),
        },
        figures={"chart-win-rates": figure} if figure else {},
        cards=tuple(_card(rate, judgement) for rate in wholes[:2]),
    )


def judge_of(judgement: Judgement) -> str:
    """Return what judged, in a sentence."""
    names = {"endpoint": "The endpoint model", "reward": "The reward model", "people": "People"}
    return f"{names[judgement.kind]} {judgement.judge}".strip()


def verdict_of(rate: WinRate) -> str:
    """Return whether a policy is clearly better or worse: its interval does not hold 0.5."""
    if rate.low is None or rate.high is None or rate.low <= 0.5 <= rate.high:
        return "unclear"
    return "better" if rate.low > 0.5 else "worse"


def _card(rate: WinRate, judgement: Judgement) -> Card:
    text, note = "none", "no verdict could be read"
    if rate.rate is not None and rate.low is not None and rate.high is not None:
        text = percent(rate.rate, 1)
        note = f"{percent(rate.low, 1)} to {percent(rate.high, 1)}; {plural(rate.prompts, 'prompt')}"
    return Card(
        id=slug("win-rate", rate.policy),
        label=f"win rate of {rate.policy} against {judgement.against}",
        text=text,
        value="" if rate.rate is None else rate.rate,
        note=note,
    )


def rates_figure(rates: Sequence[WinRate], against: str) -> Figure | None:
    """Return the win rates with their intervals; None without any."""
    known = [rate for rate in rates if rate.rate is not None and rate.low is not None and rate.high is not None]
    if not known:
        return None
    trace = {
        "type": "scatter",
        "mode": "markers",
        "y": [label(rate.policy) for rate in known],
        "x": [rate.rate for rate in known],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(rate.high or 0) - (rate.rate or 0) for rate in known],
            "arrayminus": [(rate.rate or 0) - (rate.low or 0) for rate in known],
            "color": "--second",
        },
        "marker": {"size": 9, "color": "--second"},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    equal = {"type": "line", "x0": 0.5, "x1": 0.5, "yref": "paper", "y0": 0, "y1": 1}
    return {
        "data": [trace],
        "layout": {
            "height": 110 + 40 * len(known),
            "showlegend": False,
            "shapes": [{**equal, "line": {"color": "--muted", "dash": "dot", "width": 1.5}}],
            "xaxis": {
                "range": [-0.02, 1.02],
                "tickformat": ".0%",
                "title": {"text": f"win rate against {label(against)}, with its 95 % interval"},
            },
            "yaxis": {"range": [len(known) - 0.5, -0.5], "type": "category"},
        },
    }


def shown(verdicts: Sequence[Verdict]) -> list[Shown]:
    """Return prompts to read: as many of each outcome of the first policy as there are, losses first."""
    by_prompt: dict[tuple[tuple[Message, ...], int], list[Verdict]] = {}
    for each in verdicts:
        if not each.control:
            by_prompt.setdefault((each.prompt, each.sample), []).append(each)
    queues: dict[str, list[list[Verdict]]] = {"loss": [], "win": [], "tie": [], "unparsed": []}
    for found in by_prompt.values():
        queues[found[0].outcome].append(found)
    chosen: list[list[Verdict]] = []
    for place in range(MAX_SHOWN):
        chosen += [queue[place] for queue in queues.values() if place < len(queue)]
    return [_shown(found) for found in chosen[:MAX_SHOWN]]


def _shown(found: Sequence[Verdict]) -> Shown:
    first = found[0]
    texts: Mapping[str, str] = {each.policy: each.answers[0] for each in found}
    answers = [Answered(policy=first.against, text=first.answers[1], verdicts=())]
    for policy, text in [*texts.items()][:MAX_POLICIES]:
        answers.append(
            Answered(policy=policy, text=text, verdicts=tuple(each for each in found if each.policy == policy))
        )
    return Shown(prompt=first.prompt, source=first.source, answers=tuple(answers))


PART = Part(title="Win rates", kinds=(KINDS.judgement, KINDS.verdicts), show=show, card="win rate")
