"""Which figures are a reason to look closer."""

from __future__ import annotations

import pytest

from shopimg.reasons import LIMITS, ReviewReason, beyond


@pytest.mark.parametrize(
    ("quality", "found"),
    [
        ({}, {}),
        ({"colour_shift_mean": 0.3, "colour_shift_p95": 1.0}, {}),
        ({"colour_shift_mean": 0.31, "colour_shift_p95": 1.0}, {"colour": "colour_shift_mean"}),
        ({"colour_shift_mean": 0.2, "colour_shift_p95": 1.01}, {"colour": "colour_shift_p95"}),
        ({"colour_shift_mean": 2.0, "colour_shift_p95": 4.0}, {"colour": "colour_shift_mean"}),
        ({"text_edges": 0.75, "text_edges_unguarded": 0.1}, {}),
        ({"text_edges": 0.74}, {"text": "text_edges"}),
        (
            {"text_edges": 0.1, "colour_shift_p95": 2.0},
            {"colour": "colour_shift_p95", "text": "text_edges"},
        ),
        (
            {"colour_shift_mean": None, "text_edges": None, "colour_shift_p95": 1.1},
            {"colour": "colour_shift_p95"},
        ),
        ({"colour_shift_p95_uncorrected": 9.0, "colour_corrected": 1.0}, {}),
        ({"cutout_confidence": 0.8, "pixel_lock_p95": 4.0, "white_share": 0.98}, {}),
        ({"cutout_confidence": 0.79}, {"cutout": "cutout_confidence"}),
        (
            {"colour_shift_mean": 1.0, "cutout_confidence": 0.1},
            {"cutout": "cutout_confidence", "colour": "colour_shift_mean"},
        ),
        ({"pixel_lock_p95": 4.01, "pixel_lock_max": 9.0}, {"product": "pixel_lock_p95"}),
        ({"white_share": 0.9799}, {"white": "white_share"}),
        ({"white_halo": 10.01, "cutout_confidence": 0.9}, {"cutout": "white_halo"}),
    ],
)
def test_beyond__names_the_first_figure_of_each_reason(
    quality: dict[str, float | None], found: dict[str, str]
) -> None:
    reasons = [(reason.value, name) for reason, name in beyond(quality).items()]
    assert reasons == list(found.items())


def test_limits__each_reason_has_a_figure_and_each_figure_a_limit() -> None:
    assert {limit.reason for limit in LIMITS.values()} == set(ReviewReason)
    assert all(limit.largest is not None or limit.smallest is not None for limit in LIMITS.values())
