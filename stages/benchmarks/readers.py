"""Reads benchmark files as rows of lm-eval's data sets, one function for each family. Every row is checked."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import Features, Sequence, Value

from stages.formats.benchmarks.index import DataSet
from stages.shared.errors import DataError

Row = dict[str, Any]
TEXT, NUMBER = Value("string"), Value("int64")
CHOICES = {"text": Sequence(TEXT), "label": Sequence(TEXT)}
FEATURES = {
    "piqa": Features({"goal": TEXT, "sol1": TEXT, "sol2": TEXT, "label": NUMBER}),
    "siqa": Features(dict.fromkeys(("context", "question", "answerA", "answerB", "answerC", "label"), TEXT)),
    "arc": Features({"id": TEXT, "question": TEXT, "choices": CHOICES, "answerKey": TEXT}),
    "mmlu": Features({"question": TEXT, "subject": TEXT, "choices": Sequence(TEXT), "answer": NUMBER}),
    "gsm8k": Features({"question": TEXT, "answer": TEXT}),
    "mgsm": Features({"question": TEXT, "answer": TEXT, "answer_number": NUMBER, "equation_solution": TEXT}),
    "bbh": Features({"input": TEXT, "target": TEXT}),
    "humaneval": Features(dict.fromkeys(("task_id", "prompt", "canonical_solution", "test", "entry_point"), TEXT)),
}
"""Columns by family, as on the hub."""
LETTERS = "ABCDEFGH"
LISTED = re.compile(r"\s*Answer\d+:\s*")
"""Stands before each choice in the files of LLM-Adapters (arXiv:2304.01933)."""
SENTENCES = re.compile(r"(.*[.!?\"']+)\s+(.*)", re.DOTALL)
ASKED = "Please choose the correct answer to the question: "


def read_rows(family: str, path: Path, data: DataSet) -> list[Row]:
    """Return the rows of a file that belong to a data set. Raises DataError, naming file and record."""
    rows = []
    for number, record in enumerate(_records(path), start=1):
        try:
            row = READERS[family](record, data, number)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            remedy = f"Give the file as {family} is published"
            raise DataError(path, f"not a question of {family} ({error!r})", remedy, record=number) from error
        if row is not None:
            rows.append(row)
    return rows


def read_labels(path: Path) -> list[str]:
    """Return the labels of a `.lst` file, one a line."""
    return path.read_text(encoding="utf-8").split()


def _records(path: Path) -> Iterator[Any]:
    """Yield the records of JSONL (also gzipped), of a JSON list, of BIG-bench's `examples`, or the fields of TSV."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode("utf-8")
    name = path.name.removesuffix(".gz")
    if name.endswith(".tsv"):
        yield from (line.split("\t") for line in text.splitlines() if line.strip())
    elif name.endswith(".jsonl"):
        yield from (
            _parsed(line, path, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()
        )
    else:
        whole = _parsed(text, path, 1)
        yield from whole.get("examples", ()) if isinstance(whole, dict) else whole


def _parsed(text: str, path: Path, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(path, f"no JSON ({error})", "Give the file as it is published", record=number) from error


def _piqa(record: Row, data: DataSet, number: int) -> Row:
    return {name: str(record[name]) for name in ("goal", "sol1", "sol2")} | {"label": int(record.get("label", -1))}


def _siqa(record: Row, data: DataSet, number: int) -> Row:
    if "context" in record:
        return {name: str(record[name]) for name in FEATURES["siqa"] if name != "label"} | {
            "label": str(record.get("label", ""))
        }
    asked, choices, answer = _listed(record)
    context, question = _last_sentence(asked)
    answers = dict(zip(("answerA", "answerB", "answerC"), choices, strict=True))
    return {"context": context, "question": question, **answers, "label": str(answer + 1)}


def _arc(record: Row, data: DataSet, number: int) -> Row:
    if "question" in record:  # as published: {id, question: {stem, choices: [{text, label}]}, answerKey}
        stem, choices = record["question"]["stem"], record["question"]["choices"]
        columns = {name: [str(each[name]) for each in choices] for name in ("text", "label")}
        return {"id": str(record["id"]), "question": stem, "choices": columns, "answerKey": record["answerKey"]}
    asked, texts, answer = _listed(record)
    columns = {"text": texts, "label": list(LETTERS[: len(texts)])}
    return {"id": f"{data.name}/{number}", "question": asked, "choices": columns, "answerKey": LETTERS[answer]}


def _mmlu(record: Row, data: DataSet, number: int) -> Row | None:
    subject = str(record["subject"] if "subject" in record else record["type"])
    choices, answer = [str(each) for each in record["choices"]], record["answer"]
    index = LETTERS.index(answer) if isinstance(answer, str) else int(answer)
    row = {"question": str(record["question"]), "subject": subject, "choices": choices, "answer": index}
    if len(choices) != 4 or not 0 <= index < 4:
        raise ValueError(f"answer {answer!r} of {len(choices)} choices")
    return row if subject == data.name else None


def _gsm8k(record: Row, data: DataSet, number: int) -> Row:
    if "#### " not in record["answer"]:
        raise ValueError("an answer without '#### '")
    return {"question": str(record["question"]), "answer": str(record["answer"])}


def _mgsm(record: list[str], data: DataSet, number: int) -> Row:
    question, answer = record
    value = int(answer.replace(",", ""))
    return {"question": question, "answer": None, "answer_number": value, "equation_solution": None}


def _bbh(record: Row, data: DataSet, number: int) -> Row:
    return {"input": str(record["input"]), "target": str(record["target"])}


def _humaneval(record: Row, data: DataSet, number: int) -> Row:
    return {name: str(record[name]) for name in FEATURES["humaneval"]}


READERS: Mapping[str, Callable[[Any, DataSet, int], Row | None]] = {
    "piqa": _piqa,
    "siqa": _siqa,
    "arc": _arc,
    "mmlu": _mmlu,
    "gsm8k": _gsm8k,
    "mgsm": _mgsm,
    "bbh": _bbh,
    "humaneval": _humaneval,
}


def _listed(record: Row) -> tuple[str, list[str], int]:
    """Return question, choices and the right one's place of a record of LLM-Adapters."""
    asked, _, rest = record["instruction"].partition("\n\n")
    listed, _, _ = rest.rpartition("\n\nAnswer format:")
    choices = LISTED.split(listed)[1:]
    place = int(record["answer"].removeprefix("answer")) - 1
    if not asked.startswith(ASKED) or not 0 <= place < len(choices) or not all(choices):
        raise ValueError(f"answer {record['answer']!r} of choices {choices}")
    return asked.removeprefix(ASKED), choices, place


def _last_sentence(text: str) -> tuple[str, str]:
    """Return a text without its last sentence, and that sentence."""
    found = SENTENCES.fullmatch(text.strip())
    if found is None:
        raise ValueError("a question without a context before it")
    return found[1], found[2]
