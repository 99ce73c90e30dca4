"""The planner benchmark: its uploads, its cases, and what is made of the figures."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from benchmarks import planner
from benchmarks.planner import CASES, RECIPES, Case, summary, to_lines


def test_cases__are_varied() -> None:
    assert len(CASES) >= 12
    assert {case.recipe for case in CASES} == set(RECIPES)
    assert {case.kind for case in CASES} == {"jpeg", "png", "alpha"}
    megapixels = [math.prod(case.size) / 1e6 for case in CASES]
    assert (round(min(megapixels), 1), max(megapixels)) == (0.1, 24.0)
    assert all((planner.CATALOGUE / f"{case.photo}.jpg").is_file() for case in CASES)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("jpeg", ("JPEG", "RGB")), ("png", ("PNG", "RGB")), ("alpha", ("PNG", "RGBA"))],
)
def test_upload__is_a_file_of_its_kind(kind: str, wanted: tuple[str, str]) -> None:
    content = planner.upload(Case("mug", "clean", (40, 30), kind))
    with Image.open(io.BytesIO(content)) as image:
        assert ((image.format, image.mode), image.size) == (wanted, (40, 30))
    assert planner.upload(Case("mug", "clean", (40, 30), kind)) == content


def _row(error: float) -> dict[str, object]:
    names = ("seconds_error", "first_seconds_error", "memory_error")
    figures = ("predicted_seconds", "seconds", "predicted_megabytes", "megabytes")
    return {"case": "mug", **dict.fromkeys(names, error), **dict.fromkeys(figures, 1.5)}


def test_summary__is_of_errors_of_either_sign() -> None:
    found = summary([_row(error / 100) for error in (-50, -20, -10, 0, 5, 10, 15, 20, 25, 30)])
    assert found["median_seconds_error"] == pytest.approx(0.175)
    assert found["p90_memory_error"] == 0.3


def test_to_lines__shows_errors_and_says_what_a_trial_is() -> None:
    figures = {
        "date": "2026-01-01",
        "hardware": "2 cores",
        "commit": "abc",
        "quick": True,
        "measuring_seconds": 9.0,
        "goal": 0.25,
        **summary([_row(-0.125)]),
    }
    lines = to_lines(figures)
    assert "| seconds | 12% | 12% | median <= 25% |" in lines
    assert "| mug | 1.50 | 1.50 | -12% | -12% | 2 | 2 | -12% |" in lines
    assert any("mean nothing" in line for line in lines)
    assert not any("mean nothing" in line for line in to_lines({**figures, "quick": False}))
