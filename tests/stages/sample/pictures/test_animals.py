"""Silhouettes: one for each animal of the world, and no two alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from stages.sample.pictures.animals import SILHOUETTES
from stages.sample.pictures.canvas import Canvas
from stages.sample.pictures.outlines import Placed
from stages.sample.world import ATTRIBUTES


def test_every_animal_of_the_world_has_a_silhouette_within_its_square() -> None:
    assert set(SILHOUETTES) == set(ATTRIBUTES["animal"])
    points = [point for silhouette in SILHOUETTES.values() for piece in silhouette for point in piece.outline]
    assert -0.06 < min(map(min, points)) < max(map(max, points)) < 1.06


def test_no_two_silhouettes_cover_much_the_same_pixels() -> None:
    covered = {}
    for name, silhouette in SILHOUETTES.items():
        canvas = Canvas(24)
        canvas.figure(silhouette, (200, 0, 0), Placed(centre=(0.5, 0.5), side=0.9))
        covered[name] = np.asarray(canvas.finished().getchannel("A")) > 127
    for first, second in combinations(covered, 2):
        both, either = covered[first] & covered[second], covered[first] | covered[second]
        assert both.sum() / either.sum() < 0.72, (first, second)
