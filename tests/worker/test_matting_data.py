"""What the matting net is trained on: layers, invented objects, composites, labels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from enhancer_worker.training.data import NoTrainingImagesError, Tile
from enhancer_worker.training.fit_matting import read_scenery
from enhancer_worker.training.matting_data import (
    Handling,
    MattingMix,
    MattingPairs,
    composed,
    harmonised,
    paled,
    place,
)
from enhancer_worker.training.matting_layers import (
    Layers,
    Scene,
    cropped,
    read_cutouts,
    scene_layers,
    shrunk,
    split_shadow,
)
from enhancer_worker.training.matting_pseudo import is_clear, label_photographs, read_labelled
from enhancer_worker.training.matting_scenery import Scenery, natural, studio
from enhancer_worker.training.matting_shapes import SIDE, invent


def noise(seed: int, side: int = 48) -> Tile:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def square(side: int = 40) -> Layers:
    alpha = np.zeros((side, side), np.uint8)
    alpha[8:30, 10:28] = 255
    shade = np.zeros_like(alpha)
    shade[30:36, 10:28] = 120
    return Layers(noise(1, side), alpha, shade)


def scenery() -> Scenery:
    return Scenery([noise(2), noise(3)], [noise(4)], [])


def test_split_shadow__parts_the_product_from_what_lies_under_it() -> None:
    alpha = np.zeros((60, 60), np.float32)
    alpha[40:55, 10:50] = 0.3
    alpha[10:42, 15:45] = 1
    product, shadow = split_shadow(alpha)
    assert (product[10:42, 15:45] == 1).all()
    assert product[46:, :].max() == 0
    np.testing.assert_allclose(shadow[48, 12:48], 0.3, atol=1e-6)


def test_split_shadow__a_soft_edge_over_a_shadow_is_counted_once() -> None:
    edge = np.clip((30 - np.arange(60, dtype=np.float32)) / 4 + 0.5, 0, 1)
    alpha = np.tile((edge + (1 - edge) * 0.2)[:, None], (1, 20)).astype(np.float32)
    product, _ = split_shadow(alpha)
    np.testing.assert_allclose(product[:, 10], edge, atol=1e-5)


def test_split_shadow__leaves_what_has_no_core() -> None:
    alpha = np.full((5, 5), 0.4, np.float32)
    product, shadow = split_shadow(alpha)
    np.testing.assert_array_equal(product, alpha)
    assert shadow.max() == 0


def test_read_cutouts__holds_out_what_the_list_names(tmp_path: Path) -> None:
    for name, level in (("saleor-1", 90), ("market-2", 200)):
        rgba = np.full((20, 20, 4), level, np.uint8)
        rgba[..., 3] = 0
        rgba[5:15, 5:15, 3] = 255
        Image.fromarray(rgba).save(tmp_path / f"{name}.webp", lossless=True)
    (tmp_path / "test.txt").write_text("market-2.webp\n")
    (training,) = read_cutouts(tmp_path)
    (judging,) = read_cutouts(tmp_path, held_out=True)
    middle = training.alpha.shape[0] // 2
    assert (training.colour[middle, middle] == 90).all()
    assert (judging.colour[middle, middle] == 200).all()
    with pytest.raises(NoTrainingImagesError, match="no cut-outs"):
        read_cutouts(tmp_path / "nowhere")


def test_cropped__keeps_the_product_and_shrunk__its_colours() -> None:
    layers = square()
    small = shrunk(Layers(np.full((40, 40, 3), 77, np.uint8), layers.alpha, layers.shade), 20)
    assert small.alpha.shape == (20, 20)
    assert (small.colour[small.alpha > 0] == 77).all()
    tight = cropped(layers._replace(shade=np.zeros_like(layers.shade)))
    assert tight.alpha.shape[0] < 40
    assert tight.alpha.sum() == layers.alpha.sum()


def test_scene_layers__solves_for_the_colour_of_the_rim() -> None:
    alpha = np.zeros((32, 32), np.uint8)
    alpha[10:22, 10:22] = 255
    alpha[9, 10:22] = 128
    empty = np.full((32, 32, 3), 200, np.uint8)
    share = alpha[..., None] / 255
    picture = np.rint(40 * share + 200 * (1 - share)).astype(np.uint8)
    picture[24:30, 10:22] = 100
    layers = scene_layers(Scene(picture, alpha, empty))
    assert np.abs(layers.colour[layers.alpha > 64].astype(int) - 40).max() <= 2
    assert layers.shade.max() > 60
    assert layers.shade[layers.alpha > 8].max() == 0


def test_invent__draws_one_thing_with_a_surface() -> None:
    shapes = [invent(np.random.default_rng(seed), [noise(5)], [noise(6)]) for seed in range(12)]
    for layers in shapes:
        assert layers.alpha.max() > 200
        assert max(layers.alpha.shape) <= SIDE
        assert layers.colour[layers.alpha > 128].std() > 0
    assert len({layers.alpha.shape for layers in shapes}) > 3


def test_invent__opens_holes_that_show_the_background() -> None:
    shapes = [invent(np.random.default_rng(seed), [noise(5)], [noise(6)]) for seed in range(60)]
    holed = [
        (ndimage.binary_fill_holes(shape.alpha > 128) & (shape.alpha < 64)).sum() > 40
        for shape in shapes
    ]
    assert 6 <= sum(holed) <= 30


def test_backgrounds__fill_the_frame() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for picture in (natural(rng, scenery(), 40), studio(rng, scenery(), 40)):
            assert picture.shape == (40, 40, 3)
            assert picture.dtype == np.float32
            assert np.isfinite(picture).all()


def test_place__and_composed_leave_alpha_and_picture_together() -> None:
    rng = np.random.default_rng(3)
    plain = square()._replace(colour=np.full((40, 40, 3), 250, np.uint8))
    placed = place(plain, rng, 64, Handling())
    background = np.full((64, 64, 3), 10, np.float32)
    sample = composed([placed], background, rng)
    opaque = sample.alpha > 0.99
    assert 0.05 < opaque.mean() < 0.9
    np.testing.assert_allclose(sample.picture[opaque], 250 / 255, atol=0.02)
    assert sample.picture[sample.alpha == 0].max() <= 10 / 255 + 1e-6


def test_composed__darkens_below_the_product() -> None:
    rng = np.random.default_rng(4)
    placed = place(square(), rng, 64, Handling())
    white = np.full((64, 64, 3), 255, np.float32)
    sample = composed([placed], white, rng)
    assert sample.picture[sample.alpha == 0].min() < 0.9


def test_harmonised__moves_the_mean_towards_the_background() -> None:
    placed = place(square(), np.random.default_rng(5), 64, Handling())
    background = np.full((64, 64, 3), 30, np.float32)

    def mean(colour: NDArray[np.float32]) -> float:
        return float(colour.sum() / placed.alpha.sum() / 3)

    before, after = mean(placed.colour), mean(harmonised(placed, background, 0.6).colour)
    assert abs(after - 30) < 0.75 * abs(before - 30)


def test_paled__is_nearly_white() -> None:
    pale = paled(square(), np.random.default_rng(6))
    assert pale.colour.min() >= 150
    assert (pale.colour[..., 0] == pale.colour[..., 2]).all()


@pytest.mark.parametrize("mix", [MattingMix(), MattingMix(scenes=0, invented=1, several=1)])
def test_matting_pairs__are_the_same_for_the_same_seed(mix: MattingMix) -> None:
    scene = Scene(noise(7), square(48).alpha, noise(8))
    pairs = MattingPairs([square()], [scene], scenery(), 3, mix, labelled=[scene])
    first, again = (pairs(np.random.default_rng(9), 64) for _ in range(2))
    pictures, alpha = first
    assert pictures.shape == (3, 3, 64, 64)
    assert alpha.shape == (3, 1, 64, 64)
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
    assert float(alpha.max()) <= 1
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


class _BrightIsObject(nn.Module):
    """Takes bright pixels for the object."""

    def forward(self, pictures: Tensor) -> Tensor:
        alpha = (pictures.mean(1, keepdim=True) > 0.5).float()
        return torch.cat([alpha, 0 * alpha], dim=1)


def test_label_photographs__keeps_what_is_clear(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    object_ = np.zeros((96, 96, 3), np.uint8)
    object_[24:72, 24:72] = 230
    for number in range(30):
        Image.fromarray(object_).save(folder / f"thing{chr(97 + number)}_0.png")
        Image.fromarray(noise(number, 96) // 4).save(folder / f"dark{chr(97 + number)}_0.png")
    count = label_photographs(_BrightIsObject(), tmp_path, tmp_path / "masks")
    labelled = read_labelled(tmp_path, tmp_path / "masks")
    assert count == len(labelled) > 20
    assert all(abs(float((scene.alpha > 128).mean()) - 0.25) < 0.03 for scene in labelled)
    backgrounds = read_scenery(tmp_path, labels=tmp_path / "masks").photos
    assert len(backgrounds) == len(read_scenery(tmp_path).photos) - count
    assert all(photo.max() < 64 for photo in backgrounds)


def test_read_scenery__holds_places_out_as_a_whole_and_judges_on_no_texture(tmp_path: Path) -> None:
    names = {
        "photos": ["a/thing_0", "a/other_0", "a/third_0"],
        "backdrops": ["city-0", "city-1", "hall-0", "hall-1"],
        "textures": ["marble", "cloth"],
    }
    for folder, files in names.items():
        for number, name in enumerate(files):
            path = tmp_path / folder / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(path)
    training, judging = (read_scenery(tmp_path, held_out=held_out) for held_out in (False, True))
    reds = [
        sorted({round(float(tile[..., 0].mean()) / 40) for tile in tiles})
        for scenery in (training, judging)
        for tiles in (scenery.backdrops, scenery.textures)
    ]
    assert reds == [[2, 3], [0, 1], [0, 1], []]


def test_is_clear__refuses_what_is_undecided_or_surrounds_the_picture() -> None:
    alpha = np.zeros((32, 32), np.float32)
    assert not is_clear(alpha)
    alpha[8:24, 8:24] = 1
    assert is_clear(alpha)
    assert not is_clear(alpha * np.float32(0.6))
    frame = np.zeros((32, 32), np.float32)
    frame[:3] = frame[-3:] = frame[:, :3] = frame[:, -3:] = 1
    assert not is_clear(frame)
