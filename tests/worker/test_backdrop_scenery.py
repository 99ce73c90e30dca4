"""What is behind a table: the network, its panels, and photographs as training pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from enhancer_worker.nets.backdrop_conditions import BackdropConditions, codes, latent
from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.nets.backdrop_scenery import CELL, PANEL, Scenery, SceneryConfig, place
from enhancer_worker.training.backdrops import fit
from enhancer_worker.training.backdrops.fit import held_out_pairs
from enhancer_worker.training.backdrops.module import without_scenery
from enhancer_worker.training.backdrops.photo_scenes import laid, panel_of
from enhancer_worker.training.backdrops.photographs import find_chosen
from enhancer_worker.training.backdrops.samples import (
    LIGHT_ACROSS,
    PANELS,
    BackdropBatches,
    read_samples,
)
from enhancer_worker.training.backdrops.scenery import PanelBatches, contrast
from enhancer_worker.training.backdrops.shading import encoded

WANTED = BackdropConditions(
    style="outdoor_bokeh", palette=((90, 60, 30), (80, 120, 160), (0, 0, 0)), horizon=0.375, seed=3
)


def numbers_of(conditions: BackdropConditions) -> torch.Tensor:
    told = np.concatenate([codes(conditions), latent(conditions.seed)])
    return torch.from_numpy(told)[None]


@pytest.fixture
def net() -> Scenery:
    torch.manual_seed(0)
    scenery = Scenery(SceneryConfig((8, 8, 8, 8)))
    torch.nn.init.normal_(scenery.to_colours.weight, std=0.3)
    return scenery.requires_grad_(False)


def test_scenery__has_the_mean_that_was_asked_for_and_differs_by_seed(net: Scenery) -> None:
    panels = net(torch.cat([numbers_of(replace(WANTED, seed=seed)) for seed in (3, 4)]))
    assert panels.shape == (2, 3, *PANEL)
    for mean in panels.mean((2, 3)) * 255:
        assert mean.numpy() == pytest.approx(WANTED.palette[1], abs=0.01)
    assert float((panels[0] - panels[1]).abs().mean()) > 0.01


def test_scenery__does_not_depend_on_where_it_is_placed(net: Scenery) -> None:
    higher = replace(WANTED, horizon=0.5, palette=((1, 2, 3), WANTED.palette[1], (4, 5, 6)))
    assert torch.equal(net(numbers_of(WANTED)), net(numbers_of(higher)))


def test_place__puts_the_last_row_at_the_horizon_and_adds_no_colour() -> None:
    panels = torch.zeros(1, 3, *PANEL)
    panels[..., -4:, :] = 1
    placed = place(panels, numbers_of(WANTED))
    assert placed.shape == (1, 3, SIDE, SIDE)
    above = round(SIDE * (1 - WANTED.horizon))
    assert placed[..., :above, :].mean((2, 3)).abs().max() < 1e-5
    high, low = (float(placed[0, 0, row, 100]) for row in (above - 7 * CELL, above - CELL))
    assert low - high == pytest.approx(1, abs=0.01)


def test_generator__gives_scenery_to_free_styles_only() -> None:
    generator = BackdropGenerator(BackdropGeneratorConfig())
    assert generator.scenery(numbers_of(WANTED)).abs().max() > 0
    assert generator.scenery(numbers_of(replace(WANTED, style="cove"))).abs().max() == 0


def test_panel_of__shrinks_light_and_repeats_the_top_row() -> None:
    light = np.full((100, SIDE, 3), 0.2, np.float32)
    light[:CELL] = 0.5
    panel = panel_of(light)
    bright, dark = (round(float(encoded(np.array(value))) * 255) for value in (0.5, 0.2))
    lacking = PANEL[0] - 100 // CELL
    assert np.array_equal(np.unique(panel[: lacking + 1]), [bright])
    assert np.array_equal(np.unique(panel[lacking + 1 :]), [dark])


def test_laid__keeps_colours_and_shows_them_in_perspective() -> None:
    stripes = np.zeros((48, 48, 3), np.float32)
    stripes[:, ::8] = (0.8, 0.4, 0.2)
    seen = laid(stripes, WANTED)
    assert seen.shape == (SIDE, SIDE, 3)
    coloured = seen[seen[..., 0] > 0.1]
    assert coloured[:, 0] / coloured[:, 1] == pytest.approx(2, rel=1e-3)
    near, far = (np.abs(np.diff(seen[row, :, 0])).sum() for row in (SIDE - 2, SIDE * 5 // 8 + 2))
    assert far > near > 0
    assert laid(np.full((48, 48, 3), 0.3, np.float32), WANTED) == pytest.approx(0.3, abs=1e-6)


def test_find_chosen__finds_what_serves_a_style(tmp_path: Path) -> None:
    assert find_chosen(tmp_path, ["concrete"]) == []
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for name in ("dreambooth_0032_1", "elementary_hist_0052_2", "unknown_0"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "a" / f"{name}.jpg")
    (found,) = find_chosen(tmp_path, ["concrete", "marble"])
    assert (found.path.stem, found.style) == ("dreambooth_0032_1", "concrete")


def test_panels__are_mirrored_with_their_light(prepared: Path) -> None:
    sample = read_samples(prepared / PANELS)[0][0]
    numbers, pictures = PanelBatches([sample], 16)(np.random.default_rng(0), 0)
    as_it_is = torch.from_numpy(sample.picture.copy()).permute(2, 0, 1) / 255
    across = sample.conditions.light()[0]
    sides = set()
    for told, picture in zip(numbers, pictures, strict=True):
        is_mirrored = float(told[LIGHT_ACROSS]) == pytest.approx(-across)
        assert torch.equal(picture.flip(-1) if is_mirrored else picture, as_it_is)
        sides.add(is_mirrored)
    assert sides == {True, False}
    assert abs(across) > 0.01


def test_batches__know_what_is_behind_but_held_out_pictures_do_not(prepared: Path) -> None:
    everything = [sample for part in read_samples(prepared) for sample in part]
    sample = next(s for s in everything if s.source == "mixed")
    (pair,) = held_out_pairs([sample])
    assert torch.equal(pair.gt[:, 3], pair.lq[:, 0])
    above = round(SIDE * (1 - sample.conditions.horizon)) - 8
    for seed in range(4):  # some of them are mirrored
        _, truth = BackdropBatches([sample], 1)(np.random.default_rng(seed), 0)
        assert truth[:, 3].min() == 1
        seen, told = (truth[0, part, :above].numpy() for part in (slice(3), slice(4, 7)))
        assert np.corrcoef(seen.ravel(), told.ravel())[0, 1] > 0.7


def test_held_out_pairs__are_even_and_leave_out_what_nobody_knows(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = [sample for part in read_samples(prepared) for sample in part]
    monkeypatch.setattr(fit, "MOST_HELD_OUT", 4)
    chosen = fit.evenly(everything)
    assert len(chosen) == 4
    assert chosen[0] is everything[0]
    assert chosen[-1] is everything[-1]
    some = [next(s for s in everything if s.source == kind) for kind in ("mixed", "surfaced")]
    assert [pair.kind for pair in held_out_pairs(some)] == ["mixed"]


def test_without_scenery__takes_the_surface_alone_for_known() -> None:
    planes = torch.zeros(2, 1, 2, 2)
    planes[:, :, 1] = 1
    truth = torch.ones(2, 7, 2, 2)
    truth[1, 4:] = 0
    assert without_scenery(planes, truth)[:, 3].tolist() == [[[0, 0], [1, 1]], [[1, 1], [1, 1]]]


def test_contrast__of_one_colour_is_none_whatever_the_colour() -> None:
    real = torch.rand(1, 3, 8, 8)
    flat = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None].expand(1, 3, 8, 8)
    assert contrast(flat, real)["contrast"] == pytest.approx(0, abs=1e-6)
    assert contrast(real / 2, real)["contrast"] == pytest.approx(0.5)
