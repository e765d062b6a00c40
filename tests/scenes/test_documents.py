"""The world of documents: the same from its seed, true to its sums, apart for tests, and drawn where it says."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from saccade.scenes.documents.document import KINDS, sample_document
from saccade.scenes.documents.render import CLEAN, Wear, render_document, worn


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_document_and_one_picture(kind):
    one, other = (sample_document(5, kind, "test") for _ in range(2))
    assert one == other
    first, second = (render_document(one, worn(5)) for _ in range(2))
    assert first.texts == second.texts
    assert np.array_equal(np.asarray(first.image), np.asarray(second.image))
    assert sample_document(6, kind, "test") != one


def test_what_tests_show_training_never_does():
    goods = {
        split: {label for seed in range(60) for label, _ in sample_document(seed, "receipt", split).pairs[:2]}
        for split in ("train", "test")
    }
    assert len(goods["train"]) > 15
    assert not goods["train"] & goods["test"]


@pytest.mark.parametrize("seed", range(8))
def test_a_receipt_adds_up(seed):
    receipt = sample_document(seed, "receipt")
    label, total = receipt.total
    values = {name: Decimal(value) for name, value in receipt.pairs}
    assert values[label] == total
    extra = {"Subtotal", "Net", "VAT", "Tax", "Cash", "Change", label}
    goods = sum(value for name, value in values.items() if name not in extra)
    assert goods + values.get("VAT", values.get("Tax", Decimal(0))) == total
    assert values.get("Cash", total) - values.get("Change", Decimal(0)) == total


@pytest.mark.parametrize("kind", KINDS)
def test_texts_stand_in_their_boxes(kind):
    document = sample_document(3, kind)
    page = render_document(document, CLEAN)
    assert sorted(text.rstrip(":") for text, _ in page.texts) == sorted(text.rstrip(":") for text in document.texts)
    grey = np.asarray(page.image.convert("L"), float)
    ground = np.median(grey)
    for text, (x0, y0, x1, y1) in page.texts:
        assert 0 <= x0 < x1 <= page.image.width
        assert 0 <= y0 < y1 <= page.image.height
        inside = grey[round(y0) : round(y1) + 1, round(x0) : round(x1) + 1]
        assert np.abs(inside - ground).max() > 80, f"nothing is written where {text!r} should stand"


def test_boxes_turn_with_the_page():
    document = sample_document(4, "letter")
    flat, tilted = render_document(document), render_document(document, Wear(tilt=4.0))
    assert tilted.image.size == (flat.image.width + 60, flat.image.height + 60)
    grey = np.asarray(tilted.image.convert("L"), float)
    for _, (x0, y0, x1, y1) in tilted.texts:
        assert np.ptp(grey[round(y0) : round(y1), round(x0) : round(x1)]) > 80


def test_a_seed_or_kind_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no kind of document 'poem'"):
        sample_document(1, "poem")
    with pytest.raises(ValueError, match="no scene of the split 'train'"):
        sample_document(2**31, "form", "train")
