"""Text within a whole recipe: who draws it, and when it is looked for."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline import judging
from enhancer_worker.pipeline.boxes import Box
from enhancer_worker.pipeline.colour_gate import Colours
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.steps.upscale import upscale
from enhancer_worker.pipeline.text_regions import find_text
from shopimg.contract import Recipe, Restore, Role, Upscale
from tests.worker.recipe_runs import NO_LIMIT, PNG, photo, png, run_one
from tests.worker.text_labels import label


def test_text__is_drawn_by_the_faithful_network(engine: Engine) -> None:
    pixels, _ = label(14, 14)
    photo_result = run_one(engine, png(pixels), Upscale(scale=2))
    faithful_result = run_one(engine, png(pixels), Upscale(scale=2, flavour="faithful"))
    assert sorted(photo_result.weights) == ["upscale_x2_s", "upscale_x2_s_photo"]
    assert list(faithful_result.weights) == ["upscale_x2_s"]
    (run,) = photo_result.steps[1].details["runs"]
    assert run["text"]["network"] == "upscale_x2_s"
    assert run["text"]["regions"] == len(find_text(pixels))
    assert photo_result.quality["text_edges_unguarded"] == run["text"]["edges_unguarded"]
    assert photo_result.quality["text_edges_guarded"] == run["text"]["edges"]
    # Both networks are random: what counts is that text gets the faithful one's agreement.
    assert run["text"]["edges_unguarded"] != run["text"]["edges"]
    assert "text_edges" in faithful_result.quality
    assert "text_edges_unguarded" not in faithful_result.quality
    mask = np.zeros(pixels.shape[:2], bool)
    for box in find_text(pixels):
        mask[box.top : box.bottom, box.left : box.right] = True
    mask = mask.repeat(2, axis=0).repeat(2, axis=1)
    step = upscale(Picture(pixels), Upscale(scale=2), Tools(engine, NO_LIMIT)).picture.pixels
    plain = upscale(Picture(pixels), Upscale(scale=2, flavour="faithful"), Tools(engine, NO_LIMIT))
    apart = np.abs(step.astype(int) - plain.picture.pixels).max(axis=2)
    assert apart[mask].max() <= 1
    assert apart[~mask].max() > 1


def test_text__is_drawn_again_after_a_network_from_elsewhere(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, _ = label(12, 12)
    named = replace(engine.net("upscale", 2, "photo"), name="elsewhere.pth", flavour="")
    monkeypatch.setattr(engine, "foreign", lambda file, sha256: named)
    step = Upscale(scale=2, network="elsewhere.pth", sha256="0" * 64)
    result = run_one(engine, png(pixels), step)
    (report,) = result.steps[1].details["runs"]
    assert report["text"]["network"] == "upscale_x2_s"
    assert set(result.weights) == {"elsewhere.pth", "upscale_x2_s"}


def test_upload__is_judged_once_for_all_roles(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def colours(original: Picture) -> Colours:
        judged.append("colours")
        return Colours.of(original)

    def text(pixels: NDArray[np.uint8]) -> tuple[Box, ...]:
        judged.append("text")
        return find_text(pixels)

    monkeypatch.setattr(judging, "Colours", SimpleNamespace(of=colours))
    monkeypatch.setattr(judging, "find_text", text)
    changing = tuple(Role(f"x{n}", (Upscale(scale=n),), PNG) for n in (2, 3))
    idle = (Role("as it is", (Restore(0),), PNG),)
    for roles, expected in ((idle, []), (idle + changing, ["colours", "text"])):
        images = run_recipe(png(photo()), Recipe("r", roles), engine=engine, deadline=NO_LIMIT)
        assert judged == expected
        assert images[0].quality["colour_shift_p95"] == 0


def test_text__is_not_looked_for_where_nothing_changed(engine: Engine) -> None:
    result = run_one(engine, png(label(14, 14)[0]), Restore(0))
    assert "text_edges" not in result.quality


def test_text__is_drawn_with_the_strength_of_the_step(engine: Engine) -> None:
    pixels, _ = label(14, 14)
    drawn, plain = (
        upscale(Picture(pixels), step, Tools(engine, NO_LIMIT)).picture.pixels.astype(int)
        for step in (
            Upscale(scale=2, strength=0.3),
            Upscale(scale=2, strength=0.3, flavour="faithful"),
        )
    )
    box = find_text(pixels)[0]
    area = np.s_[2 * box.top : 2 * box.bottom, 2 * box.left : 2 * box.right]
    assert np.abs(drawn[area] - plain[area]).max() <= 1
