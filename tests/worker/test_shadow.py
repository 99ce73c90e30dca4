"""Shadows that silhouettes cast, and how light, surface and wall shape them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.pipeline.footing import Footing, ground_of
from enhancer_worker.pipeline.shadow import light_directions, light_left
from shopimg.contract import Backdrop

BOX = (130, 60, 190, 240)  # left, top, right, bottom of what stands in a frame of 320 x 320


def silhouette(box: tuple[int, int, int, int] = BOX, scale: int = 1) -> NDArray[np.uint8]:
    alpha = np.zeros((320 * scale, 320 * scale), np.uint8)
    left, top, right, bottom = (scale * side for side in box)
    alpha[top:bottom, left:right] = 255
    return alpha


def dark(alpha: NDArray[np.uint8] | None = None, seamless: bool = True, **options: Any) -> Any:
    """Share of the light that the product takes, 0 within it."""
    alpha = silhouette() if alpha is None else alpha
    left = light_left(alpha, Backdrop(**options), seamless=seamless)
    assert left is not None
    scale = alpha.shape[0] // left.shape[0] or 1
    outside = alpha[::scale, ::scale] == 0
    return np.where(outside[: left.shape[0], : left.shape[1]], 1 - left, 0)


def centre(shadow: NDArray[np.float32]) -> tuple[float, float]:
    """Middle of a shadow: to the right of the product's middle, and below its foot."""
    rows, columns = np.mgrid[: shadow.shape[0], : shadow.shape[1]]
    total = shadow.sum()
    return float((columns * shadow).sum() / total - 160), float((rows * shadow).sum() / total - 240)


@pytest.mark.parametrize("mode", ["soft", "hard", "floating"])
def test_shadow__falls_away_from_the_light(mode: str) -> None:
    options = {"shadow_mode": mode, "light_elevation": 40, "light_size": 0.2}
    assert centre(dark(light_direction=90, **options))[0] < -10
    assert centre(dark(light_direction=270, **options))[0] > 10
    behind, before = (centre(dark(light_direction=d, **options))[1] for d in (0, 180))
    assert behind > before + 10


def test_shadow__is_longer_under_a_lower_light() -> None:
    low, high = (
        centre(dark(light_direction=270, light_elevation=e, light_size=0.1))[0] for e in (25, 70)
    )
    assert low > 2 * high > 0


def test_shadow__is_the_same_every_time() -> None:
    assert np.array_equal(dark(), dark())


def test_shadow__is_as_dark_as_asked_at_its_darkest() -> None:
    for opacity in (0.2, 0.9):
        assert dark(shadow_opacity=opacity).max() == pytest.approx(opacity, abs=0.02)


def test_shadow__is_none_where_none_is_asked_for() -> None:
    for step in (Backdrop(shadow_mode="none"), Backdrop(shadow_opacity=0)):
        assert light_left(silhouette(), step, seamless=True) is None
    assert light_left(silhouette((0, 0, 0, 0)), Backdrop(), seamless=True) is None


def test_shadow__has_softer_edges_from_a_larger_light_and_further_away() -> None:
    def edge(size: float, column: int, mode: str = "soft") -> float:
        """Steepest change across a shadow that falls to the right."""
        options = {"light_direction": 250, "light_elevation": 30, "shadow_mode": mode}
        shadow = dark(light_size=size, **options)
        share = shadow.shape[1] / 320
        return float(np.abs(np.diff(shadow[:, round(column * share)])).max() * share)

    assert edge(0.0, 230) > 1.3 * edge(1.0, 230)
    assert edge(0.0, 200) > 1.2 * edge(0.0, 290)
    assert edge(0.3, 230, "hard") > 1.5 * edge(0.3, 230)


def test_shadow__is_darkest_where_the_product_stands() -> None:
    shadow = dark(light_direction=180, light_elevation=80)
    below = shadow[241:300, 160]
    assert below[:3].max() > 0.25
    assert below[-10:].max() < 0.05
    assert (np.diff(below) <= 0.02).all()


def test_shadow__of_what_floats_lies_below_it() -> None:
    standing, floating = (dark(shadow_mode=m, light_elevation=80) for m in ("soft", "floating"))
    assert standing[241:246, 150:170].mean() > 2 * floating[241:246, 150:170].mean()
    assert floating[:, 160].argmax() > 250


def test_shadow__does_not_depend_on_the_size_of_the_picture() -> None:
    large = dark(silhouette(scale=4))
    assert large.shape == (320, 320)
    assert np.abs(large - dark()).max() < 0.03


def test_shadow__rises_on_a_wall_and_ends_at_the_edge_of_a_table() -> None:
    options = {"light_direction": 200, "light_elevation": 15, "horizon": 0.6, "light_size": 0.0}
    seamless, walled = dark(seamless=True, **options), dark(seamless=False, **options)
    wall, floor = slice(80, 185), slice(196, 240)
    assert np.abs(walled[floor] - seamless[floor]).max() < 0.15
    # On the wall it stands upright: no lower than the floor's edge, as high as the product lets it.
    right = slice(192, 320)
    assert walled[wall, right].max() > 0.15
    upright = np.flatnonzero(walled[wall, right].max(axis=0) > 0.15)
    assert 20 < len(upright) < 110


def test_footing__finds_where_columns_stand() -> None:
    alpha = np.zeros((100, 100), np.uint8)
    alpha[20:80, 30:70] = 255  # a cup with a handle that hangs on the right
    alpha[30:50, 70:85] = 255
    footing = Footing.of(alpha, 0.4)
    assert footing.deepest == 79
    assert footing.lowest[[10, 50, 80]].tolist() == [-1, 79, 49]
    assert footing.depth == pytest.approx(0.7 * 0.4 * 40)
    assert footing.standing(0.0).sum() == 40
    assert footing.standing(footing.depth / 2).sum() == 55
    assert footing.standing(footing.depth).sum() == 40


def test_footing__of_something_flat_is_no_deeper_than_what_is_seen_of_it() -> None:
    alpha = np.zeros((100, 320), np.uint8)
    alpha[60:66, 20:300] = 255  # a pencil, which seen from above cannot hide a board
    assert Footing.of(alpha, 0.4).depth == 6


def test_footing__of_what_is_nowhere_solid_has_hardly_any_depth() -> None:
    assert Footing.of(np.full((40, 50), 110, np.uint8), 0.4).depth == 2


def test_ground__has_no_wall_below_its_own_line() -> None:
    assert ground_of(100, 50, 200, Backdrop(horizon=0.6), seamless=False).wall is None
    assert ground_of(180, 50, 200, Backdrop(horizon=0.6), seamless=False).wall == 120
    assert ground_of(180, 50, 200, Backdrop(horizon=0.6), seamless=True).wall is None
    floating = Backdrop(shadow_mode="floating")
    assert ground_of(180, 50, 200, floating, seamless=True).line == pytest.approx(187)


def test_light__lies_where_the_step_says() -> None:
    directions = light_directions(Backdrop(light_direction=90, light_elevation=45, light_size=0.5))
    middle = directions.mean(axis=0)
    assert middle == pytest.approx([0.7071, 0.7071, 0], abs=0.02)
    point = light_directions(Backdrop(light_size=0.0, shadow_mode="hard"))
    assert point.std(axis=0).max() < 0.02 < directions.std(axis=0).max()
