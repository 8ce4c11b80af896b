"""Trains fastText's classifier on two sets of texts, and writes it as fastText does.

The package that reads fastText's models here has no training, and fastText's own training gives other bytes on every
number of threads. This one is its algorithm on one thread (arXiv:1607.01759; fastText's src/model.cc and src/loss.cc).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.quality.features import Vocabulary, joined
from stages.text.compiled.arrays import I32, I64, U8
from stages.text.compiled.kernels import kernel

F32 = npt.NDArray[np.float32]
LABELS = ("__label__good", "__label__bad")
"""Of the wanted texts and of the others."""
MAGIC, VERSION = 793712314, 12
SOFTMAX, SUPERVISED = 3, 3
"""fastText's numbers of the loss and of the model."""


@dataclass(frozen=True)
class Training:
    """How a classifier is trained."""

    dim: int
    epochs: int
    lr: float
    seed: int


@dataclass(frozen=True)
class Classifier:
    """A trained classifier."""

    vocabulary: Vocabulary
    inputs: F32
    """A row for each feature."""
    outputs: F32
    """A row for each label."""
    training: Training
    counts: tuple[int, int]
    """Texts of each label."""

    def score(self, line: str) -> float:
        """Return the probability that a text is good."""
        hidden = self.inputs[self.vocabulary.features(line)].mean(0)
        values = self.outputs @ hidden
        odds = np.exp(values - values.max())
        return float(odds[0] / odds.sum())


def train(lines: Sequence[str], is_good: Sequence[bool], vocabulary: Vocabulary, training: Training) -> Classifier:
    """Return the classifier of lines. A function of its arguments, to the last bit."""
    features, starts = joined([vocabulary.features(line) for line in lines])
    labels = np.array([0 if good else 1 for good in is_good], np.uint8)
    draw = np.random.RandomState(training.seed)
    inputs = np.empty((vocabulary.rows, training.dim), np.float32)
    for place in range(0, len(inputs), 1 << 16):  # in parts: RandomState draws float64
        part = inputs[place : place + (1 << 16)]
        part[:] = draw.uniform(-1 / training.dim, 1 / training.dim, part.shape)
    outputs = np.zeros((len(LABELS), training.dim), np.float32)
    order = np.concatenate([draw.permutation(len(lines)) for _ in range(training.epochs)]).astype(np.int64)
    descend(inputs, outputs, (features, starts, labels), order, training.lr)
    return Classifier(vocabulary, inputs, outputs, training, (sum(is_good), len(lines) - sum(is_good)))


@kernel
def descend(inputs: F32, outputs: F32, texts: tuple[I32, I64, U8], order: I64, lr: float) -> None:
    """Take a step of stochastic gradient descent on each text, in order, with a rate that falls to 0."""
    features, starts, labels = texts
    dim = inputs.shape[1]
    hidden, gradient = np.empty(dim, np.float32), np.empty(dim, np.float32)
    for step, text in enumerate(order):
        mine = features[starts[text] : starts[text + 1]]
        hidden[:], gradient[:] = 0, 0
        for row in mine:
            hidden += inputs[row]
        hidden /= np.float32(len(mine))
        rate = lr * (1 - step / len(order))
        margin = 0.0
        for place in range(dim):
            margin += np.float64(outputs[1, place] - outputs[0, place]) * np.float64(hidden[place])
        bad = 1 / (1 + np.exp(-margin))
        for label in range(2):
            aim = 1.0 if labels[text] == label else 0.0
            alpha = np.float32(rate * (aim - (bad if label == 1 else 1 - bad)))
            gradient += alpha * outputs[label]
            outputs[label] += alpha * hidden
        gradient /= np.float32(len(mine))
        for row in mine:
            inputs[row] += gradient


def write(path: Path, found: Classifier) -> None:
    """Write a classifier in fastText's format, version 12."""
    vocabulary, training = found.vocabulary, found.training
    entries = [(word, count, 0) for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)]
    entries += [(label, count, 1) for label, count in zip(LABELS, found.counts, strict=True)]
    with path.open("wb") as file:
        file.write(struct.pack("<2i", MAGIC, VERSION))
        # dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t
        settings = (training.dim, 5, training.epochs, 1, 5, 2, SOFTMAX, SUPERVISED, vocabulary.buckets, 0, 0, 100, 1e-4)
        file.write(struct.pack("<12id", *settings))
        file.write(struct.pack("<3iqq", len(entries), len(vocabulary.words), 2, sum(vocabulary.counts), -1))
        for word, count, kind in entries:
            file.write(word.encode("utf-8", "replace") + b"\0" + struct.pack("<qb", count, kind))
        for matrix in (found.inputs, found.outputs):
            file.write(struct.pack("<?2q", False, *matrix.shape))  # False: not quantized
            file.write(np.ascontiguousarray(matrix, "<f4").tobytes())
