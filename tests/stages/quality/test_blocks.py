"""Masks of personal data, and models that lack the label."""

from __future__ import annotations

import pytest
from datatrove.data import Document

from stages.quality.blocks import Pii, QualityGate, QualityScore
from stages.quality.config import PiiSettings
from stages.shared.errors import DataError
from stages.text.rules.language import default_model


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.lee@mail.example.co.uk now", "write to email@example.com now"),
        ("at 8.8.8.8 and 127.0.0.1", "at 192.0.2.1 and 127.0.0.1"),
        ("call +49 30 1234567 or (212) 555-0123.", "call 555-0100 or 555-0100."),
        ("call 212-555-0123, 138 0013 8000, 010-12345678", "call 555-0100, 555-0100, 555-0100"),
        ("电话：13800138000。", "电话：555-0100。"),
        ("in 1999-2004, 3.14159 and 12345678901 items", "in 1999-2004, 3.14159 and 12345678901 items"),
        ("version 1.2.3 costs 100-200", "version 1.2.3 costs 100-200"),
        ("ISBN 978-3-16-148410-0", "ISBN 978-3-16-148410-0"),
    ],
)
def test_mail_telephone_and_public_addresses_are_masked_and_other_numbers_are_not(text: str, expected: str) -> None:
    assert Pii(PiiSettings()).format(text) == expected


def test_masks_are_counted_by_kind_and_each_can_be_left_out() -> None:
    masks = Pii(PiiSettings(phones=False))
    assert masks.format("a@b.org a@c.org 8.8.8.8 +49 30 1234567") == (
        "email@example.com email@example.com 192.0.2.1 +49 30 1234567"
    )
    assert masks.masked == {"emails": 2, "ips": 1}


def test_a_model_without_the_label_is_named() -> None:
    with pytest.raises(DataError, match=r"lid\.176\.ftz: no label '__label__hq'"):
        QualityScore(default_model(), "__label__hq", is_ours=False)


def test_a_given_model_scores_by_its_label() -> None:
    block = QualityScore(default_model(), "__label__de", is_ours=False)
    assert block.score("Das ist ein deutscher Satz,\nund noch einer.") > 0.9 > 0.1 > block.score("An English sentence.")


def test_the_gate_keeps_the_threshold_itself() -> None:
    gate = QualityGate(0.5)
    scores = [0.49, 0.5, 0.51]
    found = [gate.reason(Document(text="", id="", metadata={"quality": score})) for score in scores]
    assert found == ["low_quality", None, None]
