"""The process of a model in a transformers folder: reads requests, a JSON line each, and prints the answers.

    python -m stages.conductor.experts.pipeline TASK FOLDER

Loads this folder's files alone: no hub, no code of the folder, no pickles.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from stages.formats.chat.rejects import Reject
from stages.pictures.load import load_picture, read_bytes

BEST = 3
"""Labels of a picture."""
_CLASSES = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "image-classification": "AutoModelForImageClassification",
}
_SAFE: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def open_model(task: str, folder: Path) -> Callable[[Mapping[str, str]], str]:
    """Return a function from a request to its answer."""
    make: Any = transformers.pipeline  # its types know literal tasks alone
    model = getattr(transformers, _CLASSES[task]).from_pretrained(folder, use_safetensors=True, **_SAFE).eval()
    if task == "image-classification":
        processors: Any = transformers.AutoImageProcessor
        processor = processors.from_pretrained(folder, **_SAFE)
        see = make(task, model=model, image_processor=processor, device="cpu")
        return lambda request: _labels(see(_picture(request["image"]), top_k=BEST))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_SAFE)
    if task == "token-classification":
        mark = make(task, model=model, tokenizer=tokenizer, aggregation_strategy="simple", device="cpu")
        return lambda request: "; ".join(f"{each['word']}: {each['entity_group']}" for each in mark(request["text"]))
    read = make(task, model=model, tokenizer=tokenizer, device="cpu")
    return lambda request: _labels(read(request["text"], truncation=True, top_k=1))


def _picture(path: str) -> Any:
    try:
        return load_picture(read_bytes(Path(path)))
    except Reject as reject:
        raise ValueError(f"{reject.reason} {reject.detail}".strip()) from reject


def _labels(found: Any) -> str:
    return "; ".join(f"{each['label']} ({each['score']:.4f})" for each in found)


def main(task: str, folder: str) -> int:
    """Answer until there are no more requests. Returns the exit status."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print, too

    def send(**answer: str) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    torch.set_num_threads(1)
    try:
        answer = open_model(task, Path(folder))
    except Exception as error:  # transformers raises many classes; the parent reports any of them
        send(error=f"{folder}: {type(error).__name__}: {error}")
        return 1
    send(ready=task)
    for line in sys.stdin:
        try:
            send(text=answer(json.loads(line)))
        except Exception as error:  # as above
            send(error=f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
