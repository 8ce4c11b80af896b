"""A made-up run: the files that the report reads, written by the modules that own their formats."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from stages.formats.attempts import AttemptName, EndRecord, StartRecord, write_record
from stages.formats.benchmarks.index import FEWSHOT_SEED
from stages.formats.documents import DocumentWriter
from stages.formats.funnel import StepCount, write_funnel
from stages.formats.kinds import KINDS
from stages.formats.metrics import write_metrics
from stages.formats.results import (
    EvaluationKey,
    Generation,
    Results,
    Score,
    write_generations,
    write_results,
)
from stages.formats.tables import Tables
from stages.formats.telemetry.layers import write_layers
from stages.formats.telemetry.rank_times import RankTime, RankTimes, write_ranks
from stages.formats.token_counts import write_token_counts
from stages.shared.contract import InputFile, Kind

START = 1_790_000_000.0
DUMPS = ("CC-MAIN-2026-10", "CC-MAIN-2026-14")
REJECTS = {
    ("read", "damaged_record"): 14,
    ("url", "blocked_domain"): 96,
    ("url", "hard_word"): 30,
    ("preview", "no_text"): 50,
    ("preview", "other_language"): 180,
    ("preview", "too_few_words"): 60,
    ("extraction", "no_text"): 4,
    ("language", "other_language"): 20,
    ("language", "low_score"): 12,
    ("repetition", "duplicate_lines"): 46,
    ("quality", "too_few_words"): 22,
    ("quality", "few_stop_words"): 18,
    ("lines", "too_many_words_removed"): 12,
    ("dedup", "near_duplicate"): 300,
    ("dedup", "exact_duplicate"): 60,
    ("substrings", "too_short_after_cut"): 18,
    ("urls", "seen_url"): 10,
}
STEPS = tuple(dict.fromkeys(step for step, _ in REJECTS))


def made(kind: Kind, section: str, path: Path, source: str = "", unit: str = "") -> InputFile:
    """Return a file as the launcher hands it to the report."""
    return InputFile(path, source, kind=kind.name, section=section, unit=unit)


def make_run(folder: Path) -> tuple[InputFile, ...]:
    """Write everything that a finished run has under `folder`; return the files for the report."""
    folder.mkdir(parents=True)
    write_ledger(folder)
    return (
        *(made(KINDS.funnel, "web", write_pages(folder, dump), dump) for dump in DUMPS),
        *(made(KINDS.rejects, "web", write_rejects(folder / f"rejects-{dump}.jsonl.zst"), dump) for dump in DUMPS[:1]),
        *(made(KINDS.tables, "web", write_tables(folder / f"tables-{dump}.json"), dump) for dump in DUMPS),
        made(KINDS.token_counts, "tokens", write_tokens(folder)),
        made(KINDS.metrics, "pretrain", write_curves(folder)),
        made(KINDS.layers, "pretrain", write_layer_norms(folder)),
        made(KINDS.rank_times, "pretrain", write_rank_times(folder)),
        *(made(KINDS.results, "evaluate", path, source, unit) for path, source, unit in write_scores(folder)),
        *(made(KINDS.generations, "evaluate", path, source) for path, source in write_continuations(folder)),
    )


def write_pages(folder: Path, dump: str) -> Path:
    left, steps = 1200, []
    for name in STEPS:
        reasons = {reason: pages // 2 for (step, reason), pages in REJECTS.items() if step == name}
        out = left - sum(reasons.values())
        is_text = STEPS.index(name) >= STEPS.index("extraction")
        size, tokens = (3_000, 700) if is_text else (40_000, 0)
        steps.append(StepCount(name, left, out, out * size, out * tokens, reasons))
        left = out
    write_funnel(folder / f"funnel-{dump}.json", steps)
    return folder / f"funnel-{dump}.json"


def write_rejects(path: Path) -> Path:
    text = "Buy cheap watches now!!! Best price, click here. " * 40
    with DocumentWriter(path) as writer:
        for number, (step, reason) in enumerate(REJECTS):
            page = {"id": str(number), "url": f"https://{reason}.example/page?{number}", "text": text}
            writer.write({**page, "step": step, "reason": reason})
    return path


def write_tables(path: Path) -> Path:
    """Write 1,200 pages of 40 hosts, most of them English; the share of a host falls as its number grows."""
    draw, tables = random.Random(str(path)), Tables()
    for number in range(1200):
        host, language = (
            f"www.host-{int(40 * draw.random() ** 2)}.example",
            draw.choice(("en", "en", "en", "zh", "de", "")),
        )
        tables.read(host, language)
        if language in ("en", "zh") and number < 900:
            tables.kept(host, language, 2000, 410)
    tables.write(path)
    return path


def write_tokens(folder: Path) -> Path:
    counts = {
        DUMPS[0]: {"documents": 762, "tokens": 412_345, "heldout_documents": 15},
        DUMPS[1]: {"documents": 491, "tokens": 268_777, "heldout_documents": 11},
    }
    write_token_counts(folder / "token_counts.json", counts)
    return folder / "token_counts.json"


def write_curves(folder: Path, steps: int = 400) -> Path:
    noise = random.Random(0)
    rows: list[dict[str, Any]] = [
        {
            "step": step,
            "tokens": step * 2048,
            "loss": 0.9 + 6.2 * math.exp(-step / 60) + noise.gauss(0, 0.05),
            "lr": 2e-3 * min(step / 40, 0.55 + 0.45 * math.cos(math.pi * step / steps)),
            "grad_norm": 1 + noise.random(),
            "tokens_per_s": 7100 + noise.gauss(0, 250) - (2500 if step % 50 == 0 else 0),
            "wall_time": START + 120 + step * 0.3,
        }
        for step in range(1, steps + 1)
    ]
    rows[149] |= {"loss": 7.5, "left_out": "spike", "why": "loss 7.5, where 1.41 is usual", "sequences": [2384, 2399]}
    rows[249] |= {"loss": math.nan, "grad_norm": math.nan, "left_out": "not finite", "sequences": [3984, 3999]}
    rows[249]["why"] = "the loss is nan: layers.1.mlp.linear_fc1, output: 14 nan of 4,096 numbers (rank 2)"
    for row in rows[19::20]:
        row["memory_mb"] = 812.0 + row["step"]
    for row in rows[49::50]:
        row["heldout"] = 1.0 + 6.0 * math.exp(-row["step"] / 60)
    write_metrics(folder / "metrics.jsonl", rows)
    return folder / "metrics.jsonl"


def write_layer_norms(folder: Path) -> Path:
    parts = ["embedding", *(f"layers.{number}" for number in range(4)), "head"]
    rows = [
        {
            **{"step": step, "part": part, "weight_norm": 10.0 + number, "weight_max": 0.3},
            **{"grad_norm": math.nan if step == 250 else 2.0 ** -(number + step / 100), "activation_rms": 1.0 + number},
        }
        for step in range(10, 401, 10)
        for number, part in enumerate(parts)
    ]
    write_layers(folder / "layers.jsonl", rows)
    return folder / "layers.jsonl"


def write_rank_times(folder: Path) -> Path:
    ranks = (
        RankTime(
            rank=rank, node=f"n{rank // 4}", seconds=0.3 + 0.1 * (rank == 5), memory_mb=812.0, slow=7 * (rank == 5)
        )
        for rank in range(8)
    )
    write_ranks(folder / "ranks.json", RankTimes(step=400, readings=20, ranks=tuple(ranks)))
    return folder / "ranks.json"


def score(task: str, metric: str, value: float, stderr: float | None, **rest: Any) -> Score:
    low, high = (None, None) if stderr is None else (value - 1.96 * stderr, value + 1.96 * stderr)
    defaults: dict[str, Any] = {"samples": 160, "chance": None, "higher_is_better": True, "low": low, "high": high}
    return Score(task=task, metric=metric, value=value, stderr=stderr, **{**defaults, **rest})


def evaluation_key(source: str, task: str = "t", **rest: Any) -> EvaluationKey:
    """Return the key of a result."""
    plain: dict[str, Any] = {
        "checkpoint": source * 3,
        "num_fewshot": 0,
        "seed": FEWSHOT_SEED,
        "limit": None,
        "variant": "",
        "prompts": "p",
        "data": "d",
        "first_token": 2,
        "dtype": "fp32",
        "backend": "own",
        "chat": "",
        "template": "",
        "adapter": "1",
        "harness": "lm-eval 0.4.13",
    }
    return EvaluationKey(source=source, task=task, **{**plain, **rest})


def write_scores(folder: Path) -> list[tuple[Path, str, str]]:
    chance: dict[str, Any] = {"chance": 0.25}
    ppl: dict[str, Any] = {"higher_is_better": False, "samples": 26}
    measured = {
        ("final", "facts"): (
            score("facts", "acc", 0.96875, 0.0138, **chance),
            score("facts", "acc_norm", 0.95625, 0.0162, **chance),
            score("facts_seen", "acc", 0.99375, 0.0063, **chance),
        ),
        ("untrained", "facts"): (
            score("facts", "acc", 0.23125, 0.0334, **chance),
            score("facts", "acc_norm", 0.2625, 0.0349, **chance),
            score("facts_seen", "acc", 0.25, 0.0343, **chance),
        ),
        ("final", "perplexity"): (
            score("perplexity", "token_perplexity", 2.714, 0.081, **ppl),
            score("perplexity", "word_perplexity", 4.113, 0.19, **ppl),
        ),
        ("untrained", "perplexity"): (
            score("perplexity", "token_perplexity", 1093.2, 4.4, **ppl),
            score("perplexity", "word_perplexity", 26_440_851.26, 800_000.0, **ppl),
        ),
    }
    files = []
    for (source, task), scores in measured.items():
        key = evaluation_key(source, task)
        path = folder / f"results-{source}-{task}.json"
        write_results(path, Results(key=key, scores=scores), {"results": {}})
        files.append((path, source, f"{source}/{task}"))
    return files


def write_continuations(folder: Path) -> list[tuple[Path, str]]:
    texts = {
        "final": " red. People in Ashby paint their doors red like the flag, and the bells ring at six in the morning.",
        "untrained": " coinsLang oak feastQu theld\ufffd thern 7 pick walk",
    }
    files = []
    for source, text in texts.items():
        path = folder / f"generations-{source}.jsonl"
        write_generations(
            path,
            [
                Generation(
                    checkpoint=source,
                    source=source,
                    prompt=prompt,
                    continuation=text,
                    tokens=60,
                    stopped="length",
                    temperature=0.0,
                )
                for prompt in ("The flag of Ashby is", "Question: What is made in Wells? Answer:")
            ],
        )
        files.append((path, source))
    return files


def write_attempt(
    folder: Path, job: str, element: int, start: float, end: dict[str, Any] | None, restart: int = 0, **more: Any
) -> AttemptName:
    """Write the ledger's records of one attempt; times are seconds after START."""
    attempts = folder / "ledger" / "attempts"
    name = AttemptName(job, more.pop("key", "k1"), element, restart)
    record = {"units": (f"unit {element}",), "node": f"node{element % 4}", "slurm_id": f"{1000 + len(job)}_{element}"}
    write_record(attempts, name, StartRecord(**{"fingerprint": "f", "started": START + start, **record, **more}))
    if end is not None:
        ended = {"exit_code": 0, "verdict": "done", "reason": "", "progress": 1, **end, "ended": START + end["ended"]}
        write_record(attempts, name, EndRecord(**ended))
    return name


def write_ledger(folder: Path) -> None:
    for element in range(4):
        write_attempt(folder, "sample", element, 0.0, {"ended": 4 + element})
    for element in range(8):
        write_attempt(
            folder, "web.filter", element, 8 + element // 4 * 11, {"ended": 18 + element // 4 * 11 + element % 3}
        )
    write_attempt(
        folder,
        "web.filter",
        8,
        30,
        {"ended": 33, "verdict": "failed", "reason": "zlib: broken member in dump2-00003.warc.gz"},
    )
    write_attempt(folder, "web.filter", 8, 36, {"ended": 45}, restart=1)
    write_attempt(folder, "web.cluster", 0, 46, {"ended": 49})
    write_attempt(folder, "tokenizer", 0, 50, {"ended": 58})
    write_attempt(folder, "tokens.encode", 0, 60, {"ended": 66})
    write_attempt(folder, "tokens.encode", 1, 60, {"ended": 65})
    write_attempt(
        folder, "pretrain", 0, 70, {"ended": 110, "verdict": "requeue", "reason": "asked to stop; saved at step 120"}
    )
    write_attempt(folder, "pretrain", 0, 115, None, restart=1)
    write_attempt(folder, "pretrain", 0, 150, {"ended": 230}, restart=2)
    for element in range(6):
        write_attempt(folder, "evaluate", element, 232 + element // 2 * 9, {"ended": 240 + element // 2 * 9})
    write_attempt(folder, "report", 0, 262, None)
