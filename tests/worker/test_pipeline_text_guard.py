"""Finding text, judging what became of it, and keeping it as the faithful network draws it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from enhancer_worker.engine.runner import run_tiled
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.pipeline import text_regions
from enhancer_worker.pipeline.boxes import Box
from enhancer_worker.pipeline.text_guard import (
    KeptText,
    edge_agreement,
    feathered_mask,
    keep_text,
    text_figures,
)
from enhancer_worker.pipeline.text_regions import find_text
from shopimg.contract import Deadline
from tests.worker.text_labels import GROUNDS, Pixels, label, textures
from tests.worker.tiny_nets import loaded, upscaler

SIZES = (8, 10, 12, 14, 16, 20, 24)


def covered(shape: tuple[int, ...], boxes: tuple[Box, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape[:2], bool)
    for box in boxes:
        mask[box.top : box.bottom, box.left : box.right] = True
    return mask


def doubled(pixels: Pixels) -> Pixels:
    size = (pixels.shape[1] * 2, pixels.shape[0] * 2)
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def filtered(pixels: Pixels, how: ImageFilter.Filter) -> Pixels:
    return np.array(Image.fromarray(pixels).filter(how))


# --- finding --------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("size", SIZES)
def test_find_text__finds_the_lines_of_a_label_and_little_else(size: int, ground: str) -> None:
    lines = found = 0
    marked = near_lines = 0
    for seed in range(2):
        pixels, drawn = label(7 * seed + size, size, ground)
        mask = covered(pixels.shape, find_text(pixels))
        near = np.zeros_like(mask)
        for left, top, right, bottom in drawn:
            lines += 1
            found += bool(mask[top:bottom, left:right].mean() >= 0.7)
            near[max(0, top - 8) : bottom + 8, max(0, left - 8) : right + 8] = True
        marked += int(mask.sum())
        near_lines += int((mask & near).sum())
    assert found / lines >= 0.9
    assert near_lines / marked >= 0.9


def test_find_text__takes_few_textures_for_text() -> None:
    shares = {name: covered(p.shape, find_text(p)).mean() for name, p in textures().items()}
    assert np.mean(list(shares.values())) < 0.01
    assert max(shares.values()) < 0.1


def test_find_text__reads_upwards_as_well() -> None:
    pixels, _ = label(12, 12)
    upright, turned = find_text(pixels), find_text(np.rot90(pixels))
    area = covered(pixels.shape, upright)
    assert area.mean() > 0.03
    assert np.abs(np.rot90(area) ^ covered(np.rot90(pixels).shape, turned)).mean() < 0.005


def test_find_text__finds_the_same_wherever_a_label_lies() -> None:
    pixels, _ = label(12, 12)
    # Of the colour of its border, so that the label itself has no edge.
    ground = np.broadcast_to(pixels[0, 0], (700, 900, 3)).copy()
    ground[301:561, 503:863] = pixels
    lines = find_text(pixels)
    assert len(lines) > 3
    moved = [box.turned().lowered(503).turned().lowered(301) for box in lines]
    assert find_text(ground) == tuple(moved)


def test_find_text__works_across_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, lines = label(16, 16)
    monkeypatch.setattr(text_regions, "_BAND_ROWS", 48)
    mask = covered(pixels.shape, find_text(pixels))
    assert all(mask[top:bottom, left:right].mean() >= 0.7 for left, top, right, bottom in lines)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 40, 3), (40, 1, 3), (3, 3, 3), (64, 64, 3)])
def test_find_text__survives_pictures_without_any(shape: tuple[int, ...]) -> None:
    assert find_text(np.full(shape, 200, np.uint8)) == ()


# --- judging --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 12, 16, 24])
def test_edge_agreement__tells_kept_from_mangled_text(size: int) -> None:
    pixels, lines = label(size, size)
    boxes = find_text(pixels)
    large = doubled(pixels)
    # The limit of the review page is 0.75.
    kept = [large, filtered(large, ImageFilter.UnsharpMask(2, 150, 0))]
    assert all((edge_agreement(pixels, after, boxes) or 0) > 0.95 for after in kept)
    mirrored = pixels.copy()
    left, top, right, bottom = lines[0]
    mirrored[top:bottom, left:right] = mirrored[top:bottom, left:right][:, ::-1]
    mangled = [
        filtered(large, ImageFilter.GaussianBlur(4)),
        filtered(large, ImageFilter.ModeFilter(7)),
        doubled(mirrored),
    ]
    assert all((edge_agreement(pixels, after, boxes) or 0) < 0.5 for after in mangled)


def test_edge_agreement__forgives_the_noise_that_went() -> None:
    for size in (8, 12, 16, 24):
        pixels, _ = label(size, size)
        noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
        noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
        assert (edge_agreement(noisy, doubled(pixels), find_text(noisy)) or 0) > 0.8


def test_edge_agreement__knows_exact_values() -> None:
    pixels, _ = label(3, 16)
    boxes = (Box(0, 0, 200, 100), Box(50, 50, 200, 90))
    assert edge_agreement(pixels, pixels, boxes) == 1.0
    assert edge_agreement(pixels, 255 - pixels, boxes) == -1.0
    assert edge_agreement(pixels, np.full_like(pixels, 9), boxes) == 0.0
    assert edge_agreement(pixels, pixels, ()) is None


# --- keeping --------------------------------------------------------------------------------


def test_feathered_mask__is_full_inside_and_fades_within_twelve_pixels() -> None:
    mask = feathered_mask((100, 120), [Box(50, 40, 80, 60)])
    assert (mask[40:60, 50:80] == 255).all()
    outside = mask.copy()
    outside[28:72, 38:92] = 0
    assert not outside.any()
    fading = mask[50, 80:93].astype(int)
    assert (np.diff(fading) <= 0).all()
    assert np.diff(fading).min() > -64


def test_keep_text__equals_a_faithful_run_over_the_whole_picture() -> None:
    small, _ = label(12, 12)
    pixels = np.full((620, 900, 3), 120, np.uint8)
    pixels[310:570, 480:840] = small
    net = loaded(upscaler(2))
    sizes: list[tuple[int, ...]] = []

    def draw(part: Pixels) -> Pixels:
        sizes.append(part.shape)
        return run_tiled(net, part, tile_size=256, deadline=Deadline(math.inf)).pixels

    whole = run_tiled(net, pixels, tile_size=256, deadline=Deadline(math.inf)).pixels
    plastic = filtered(doubled(pixels), ImageFilter.ModeFilter(9))
    result = plastic.copy()
    kept = keep_text(pixels, result, find_text(pixels), net.geometry, draw)
    assert kept is not None
    assert kept.regions == len(find_text(pixels))
    assert kept.edges_unguarded < 0.5
    inside = covered(pixels.shape, find_text(pixels)).repeat(2, axis=0).repeat(2, axis=1)
    # Each run rounds once; the halo is exact.
    assert np.abs(result.astype(int) - whole)[inside].max() <= 1
    far = (
        feathered_mask(pixels.shape[:2], find_text(pixels)).repeat(2, axis=0).repeat(2, axis=1) == 0
    )
    assert np.array_equal(result[far], plastic[far])
    margin = 2 * net.geometry.margin
    assert 1 < len(sizes) < 12
    # One shape for all: a network is compiled anew for any other.
    assert set(sizes) == {(256 + margin, 256 + margin, 3)}


def test_keep_text__brings_the_strokes_back() -> None:
    pixels, _ = label(14, 14)
    result = filtered(doubled(pixels), ImageFilter.ModeFilter(9))
    kept = keep_text(pixels, result, find_text(pixels), Geometry(2, 8, 1), doubled)
    assert kept is not None
    assert kept.edges_unguarded < 0.5
    assert kept.edges > 0.95


def test_keep_text__leaves_a_picture_without_text_alone() -> None:
    pixels = textures()["blobs 2"]
    result = doubled(pixels)

    def draw(part: Pixels) -> Pixels:
        raise AssertionError

    assert keep_text(pixels, result, find_text(pixels), Geometry(2, 0, 1), draw) is None
    assert np.array_equal(result, doubled(pixels))


def test_kept_text__holds_both_figures() -> None:
    pixels, _ = label(14, 14)
    result = doubled(pixels)
    before = edge_agreement(pixels, result, find_text(pixels))
    kept = keep_text(pixels, result, find_text(pixels), Geometry(2, 8, 1), doubled)
    assert kept == KeptText(len(find_text(pixels)), before or 0, before or 0)


def test_text_figures__are_of_the_run_that_agrees_least() -> None:
    pixels, _ = label(14, 14)
    runs = [{"text": {"edges_unguarded": a, "edges": b}} for a, b in ((0.9, 0.7), (0.5, 0.8))]
    figures = text_figures(pixels, pixels, find_text(pixels), runs)
    assert (figures["text_edges_unguarded"], figures["text_edges_guarded"]) == (0.5, 0.7)
