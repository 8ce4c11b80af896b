"""Published scores of other models, for reference. Values as shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PublishedScore:
    """A score that a paper reports."""

    value: float
    protocol: str
    """How the paper measures it."""
    same: tuple[str, str] = ("", "")
    """Metric and protocol of our column that measures the same; empty if none does."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A model and its scores by lm-eval's names of tasks."""

    name: str
    paper: str
    scores: Mapping[str, PublishedScore]


def _likeliest(value: float) -> PublishedScore:
    return PublishedScore(value=value, protocol="0-shot, by characters", same=("acc_norm", "0-shot, llama"))


def _against_answer(value: float) -> PublishedScore:
    return PublishedScore(value=value, protocol='0-shot, against "Answer:"', same=("acc_answer", "0-shot, llama"))


_GSM8K = PublishedScore(value=0.509, protocol="one answer, no majority")

MODELS = (
    PublishedModel(
        name="LLaMA 65B",
        paper="arXiv:2302.13971, section 3",
        scores={
            "boolq": _against_answer(0.853),
            "piqa": _likeliest(0.828),
            "social_iqa": _likeliest(0.523),
            "hellaswag": _likeliest(0.842),
            "winogrande": PublishedScore(value=0.770, protocol="0-shot", same=("acc", "0-shot")),
            "arc_easy": _likeliest(0.789),
            "arc_challenge": _likeliest(0.560),
            "openbookqa": _against_answer(0.602),
            "mmlu": PublishedScore(value=0.634, protocol="5-shot", same=("acc", "5-shot")),
            "gsm8k": _GSM8K,
            "gsm8k_cot": _GSM8K,
            "hendrycks_math": PublishedScore(value=0.106, protocol="one answer, no majority"),
            "humaneval": PublishedScore(value=0.237, protocol="0-shot, pass@1 at temperature 0.1"),
            "mbpp": PublishedScore(value=0.377, protocol="3-shot, pass@1 at temperature 0.1"),
        },
    ),
)
