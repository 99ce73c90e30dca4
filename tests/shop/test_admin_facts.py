"""What the review page says was done to a picture."""

from __future__ import annotations

from typing import Any

import pytest

from shopimg.admin import facts
from shopimg.models import EnhancedVariant

ENLARGED = {"name": "upscale", "scale": 3, "to": None, "strength": 1, "flavour": "photo"}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (ENLARGED, "Enlarge ×3, for photos"),
        (ENLARGED | {"flavour": "faithful"}, "Enlarge ×3, faithful"),
        (ENLARGED | {"flavour": "photo, faithful"}, "Enlarge ×3, for photos, faithful"),
        (ENLARGED | {"flavour": ""}, "Enlarge ×3"),
        (ENLARGED | {"strength": 0.5}, "Enlarge ×3, for photos, 50 %"),
        (ENLARGED | {"strength": 0, "flavour": ""}, "Enlarge ×3, resampled"),
        (ENLARGED | {"scale": None, "to": 2000}, "Enlarge to 2000 pixels, for photos"),
        ({"name": "upscale", "scale": 2}, "Enlarge ×2"),
        (ENLARGED | {"skipped": "already as large"}, "Enlarge: not needed"),
        ({"name": "restore", "strength": 0.5}, "Remove noise and artefacts, 50 %"),
        (
            {"name": "restore", "strength": 1, "deblurred": {"kind": "motion", "size": 6.5}},
            "Take out motion of 6.5 pixels, 100 %",
        ),
        (
            {"name": "restore", "strength": 0.5, "deblurred": {"kind": "defocus", "size": 2.0}},
            "Take out defocus of 2.0 pixels, 50 %",
        ),
        ({"name": "cutout", "network": "cutout_s"}, "Cut the product out"),
        ({"name": "cutout", "mask": "ab" * 32}, "Cut the product out: by a corrected mask"),
        (
            {"name": "backdrop", "generator": "gan", "style": "wood_table", "seed": 41},
            "Set it before a backdrop, Wooden table, seed 41",
        ),
        (
            {"name": "backdrop", "generator": "shop.Own", "seed": 4},
            "Set it before a backdrop, seed 4",
        ),
        ({"name": "backdrop", "generator": "colour", "seed": 0}, "Set it before a backdrop"),
    ],
)
def test_steps__say_what_ran(operation: dict[str, Any], words: str) -> None:
    variant = EnhancedVariant(provenance={"operations": [operation]})
    assert [fact.label for fact in facts.steps(variant)] == [words]


def test_warnings__doubt_of_the_cut_out_stands_out_in_plain_words() -> None:
    variant = EnhancedVariant(quality={"colour_shift_p95": 1.5, "cutout_confidence": 0.0})
    assert [(fact.label, fact.value, fact.level) for fact in facts.warnings(variant)] == [
        (
            "The cut-out is probably wrong (confidence 0\u00a0%)",
            "Look at the edge of the product",
            "bad",
        ),
        ("Look at the colours", "Colour change, worst areas: 1.5", "warn"),
    ]
    (fact,) = facts.scenery(EnhancedVariant(quality={"cutout_confidence": 0.7999}))
    assert (fact.label, fact.value, fact.level) == ("How sure the cut-out is", "79\u00a0%", "warn")
    assert fact.bound == "≥\u00a080\u00a0%"


@pytest.mark.parametrize(
    ("qualities", "words"),
    [
        ([{"cutout_confidence": 0.8}], ""),
        ([{"cutout_confidence": 0.79}], "The cut-out may be wrong (confidence 79\u00a0%)"),
        ([{"text_edges": 0.1}], "Look at the text and logos"),
        (
            [{"text_edges": 0.1, "cutout_confidence": 0.2, "white_share": 0.5}],
            "The cut-out is probably wrong (confidence 20\u00a0%), and 2 more",
        ),
        (
            [{}, {"text_edges": 0.1}, {"text_edges": 0.1, "colour_shift_mean": 1.0}],
            "Look at the text and logos, and 1 more",
        ),
    ],
)
def test_mark__names_the_first_reason_and_counts_the_others(
    qualities: list[dict[str, float]], words: str
) -> None:
    assert facts.mark(EnhancedVariant(quality=quality) for quality in qualities) == words


def test_figures__say_what_they_mean_and_their_limits() -> None:
    quality = {"colour_shift_p95": 0.5, "text_edges": 0.9, "estimated_blur": 0.75}
    variant = EnhancedVariant(quality=quality)
    assert [(fact.label, fact.detail, fact.bound) for fact in facts.figures(variant)] == [
        (
            "Colour change, worst areas",
            "CIEDE2000 between upload and result; 95 % of the areas change less",
            "≤\u00a01.0",
        ),
        ("Strokes of text kept", "Correlation of the edges of letters and logos", "≥\u00a00.75"),
    ]
    assert [(fact.label, fact.value) for fact in facts.upload(variant)] == [
        ("Blur, pixels", "0.75")
    ]


def test_scenery__is_apart_from_the_other_figures() -> None:
    quality = {
        "colour_shift_p95": 0.5,
        "cutout_share": 0.25,
        "frame_position_error": 3.0,
        "pixel_lock_max_difference": 8.0,
        "pixel_lock_p50": 0.3,
        "pixel_lock_p95": 4.5,
        "pixel_lock_max": 9.0,
        "white_share": 0.9991,
        "white_halo": None,
    }
    variant = EnhancedVariant(quality=quality)
    assert [(fact.label, fact.value, fact.level) for fact in facts.scenery(variant)] == [
        ("Pixels inside the product", "identical", "ok"),
        ("Share of the upload that is the product", "25\u00a0%", ""),
        ("Largest change of a product's pixel by saving, of 255", "8.0", ""),
        ("Product changed by saving", "4.5", "warn"),
        ("Background that is exactly white", "99.91\u00a0%", "ok"),
        ("Product away from its place, pixels", "3.0", ""),
    ]
    assert [fact.label for fact in facts.figures(variant)] == ["Colour change, worst areas"]
    assert facts.scenery(EnhancedVariant(quality={"colour_shift_p95": 0.5})) == []


def test_figures__leave_out_what_could_not_be_measured() -> None:
    variant = EnhancedVariant(quality={"text_edges": None, "estimated_blur": None, "loss": 0.5})
    assert [(fact.label, fact.value) for fact in facts.figures(variant)] == [("Loss", "0.5")]
    assert facts.warnings(variant) == []
    assert facts.upload(variant) == []
