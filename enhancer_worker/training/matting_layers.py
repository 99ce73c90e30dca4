"""Cut-outs as layers: colour, alpha, and the shadow that a picture shows under the product."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import (
    NoTrainingImagesError,
    Tile,
    read_tile,
    told_if_unreadable,
)

LONGEST_SIDE = 400
"""Cut-outs are kept at this size, pixels: the net sees whole pictures of 256."""
SHADOWED = ("saleor-", "solidus-")
"""Cut-outs whose alpha holds a soft shadow as well."""
CORE_ALPHA = 0.85
RIM_PIXELS = 3
TEST_LIST = "test.txt"
HELD_OUT_SCANS = ("cracker_box", "mug", "shampoo", "power_drill", "stapler_1")


class Layers(NamedTuple):
    """One object without a background."""

    colour: Tile
    """(H, W, 3), uint8, RGB, not multiplied by alpha."""
    alpha: NDArray[np.uint8]
    """(H, W), uint8."""
    shade: NDArray[np.uint8]
    """(H, W), uint8: by how much its shadow darkens what is below it; 0: not at all."""


class Scene(NamedTuple):
    """A picture with the exact alpha of what stands in it."""

    picture: Tile
    """(H, W, 3), uint8, RGB."""
    alpha: NDArray[np.uint8]
    """(H, W), uint8."""
    empty: Tile
    """(H, W, 3), uint8: the same without the object."""


def split_shadow(alpha: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Part an alpha that holds a product and its soft shadow.

    Products are nearly opaque, shadows never are; on the rim of a product both mix, and there the
    shadow is as dark as next to it.

    Args:
        alpha: (H, W), float32, [0, 1].

    Returns:
        Alpha of the product and of the shadow, likewise.
    """
    core = alpha >= CORE_ALPHA
    near = ndimage.binary_dilation(core, iterations=RIM_PIXELS)
    if not core.any() or near.all():
        return alpha, np.zeros_like(alpha)
    rows, columns = ndimage.distance_transform_edt(
        near, return_distances=False, return_indices=True
    )
    shadow = alpha[rows, columns]
    product = np.where(near, (alpha - shadow) / np.maximum(1 - shadow, 1e-3), 0)
    return np.clip(product, 0, 1).astype(np.float32), shadow.astype(np.float32)


def read_cutout(path: Path, longest_side: int = LONGEST_SIDE) -> Layers:
    """Read an RGBA cut-out, crop it to what is to be seen and shrink it."""
    with told_if_unreadable(path), Image.open(path) as image:
        layered = image.convert("RGBA")
    pixels = np.asarray(layered)
    alpha = pixels[..., 3].astype(np.float32) / np.float32(255)
    shadowed = path.name.startswith(SHADOWED)
    product, shadow = split_shadow(alpha) if shadowed else (alpha, np.zeros_like(alpha))
    return shrunk(
        cropped(Layers(np.ascontiguousarray(pixels[..., :3]), _bytes(product), _bytes(shadow))),
        longest_side,
    )


def read_cutouts(
    folder: Path, *, held_out: bool = False, longest_side: int = LONGEST_SIDE
) -> list[Layers]:
    """Read all cut-outs to train with, or those that `test.txt` holds out.

    Raises:
        NoTrainingImagesError: there are none.
    """
    listed = folder / TEST_LIST
    names = set(listed.read_text().split()) if listed.exists() else set()
    paths = [p for p in sorted(folder.glob("*.webp")) if (p.name in names) == held_out]
    if not paths:
        raise NoTrainingImagesError(f"no cut-outs (*.webp) in {folder}")
    return [read_cutout(path, longest_side) for path in paths]


def read_scenes(folder: Path) -> list[Scene]:
    """Read rendered scenes, `NAME.jpg`, `NAME-alpha.png` and `NAME-empty.jpg`."""
    names = [path.name.removesuffix("-alpha.png") for path in sorted(folder.glob("*-alpha.png"))]
    return [
        Scene(
            read_tile(folder / f"{name}.jpg"),
            read_mask(folder / f"{name}-alpha.png"),
            read_tile(folder / f"{name}-empty.jpg"),
        )
        for name in names
    ]


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Decode a mask: (H, W), uint8."""
    with told_if_unreadable(path), Image.open(path) as image:
        return np.asarray(image.convert("L"))


def scene_layers(scene: Scene) -> Layers:
    """Lift the object and its shadow out of a scene.

    The colour of the rim is solved for with the empty scene behind it, and the shadow is the ratio
    of both pictures, without the grain of the renderer.
    """
    alpha = scene.alpha.astype(np.float32)[..., None] / 255
    picture, empty = (image.astype(np.float32) for image in (scene.picture, scene.empty))
    ratio = ndimage.gaussian_filter(picture.mean(2) + 4, 2) / ndimage.gaussian_filter(
        empty.mean(2) + 4, 2
    )
    ratio[scene.alpha > 8] = 1
    shade = np.clip(1 - ratio - 0.04, 0, 1) * (scene.alpha <= 8)
    behind = empty * (1 - shade[..., None])
    colour = np.where(alpha > 0.02, (picture - (1 - alpha) * behind) / np.maximum(alpha, 0.02), 0)
    whole = Layers(np.clip(colour, 0, 255).astype(np.uint8), scene.alpha, _bytes(shade))
    return cropped(whole)


def cropped(layers: Layers, margin: int = 2) -> Layers:
    """Cut off what is empty around a product; of its shadow half a product's size stays."""
    rows, columns = (np.flatnonzero(layers.alpha.max(axis) > 8) for axis in (1, 0))
    if not len(rows):
        return layers
    spans = []
    for found, length in ((rows, layers.alpha.shape[0]), (columns, layers.alpha.shape[1])):
        extent = int(found[-1] - found[0]) // 2 if layers.shade.any() else margin
        low, high = int(found[0]) - max(extent // 4, margin), int(found[-1]) + extent // 2 + margin
        spans.append(slice(max(0, low), min(length, high + 1)))
    window = tuple(spans)
    return Layers(*(np.ascontiguousarray(layer[window]) for layer in layers))


def shrunk(layers: Layers, longest_side: int) -> Layers:
    """Resize to a longest side at most, colours weighed by alpha, pixels."""
    height, width = layers.alpha.shape
    factor = longest_side / max(height, width)
    if factor >= 1:
        return layers
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    alpha = layers.alpha[..., None]
    rgba = Image.fromarray(np.concatenate([layers.colour, alpha], axis=2)).convert("RGBa")
    pixels = np.asarray(rgba.resize(size, Image.Resampling.BOX).convert("RGBA"))
    shade = Image.fromarray(layers.shade).resize(size, Image.Resampling.BOX)
    return Layers(
        np.ascontiguousarray(pixels[..., :3]),
        np.ascontiguousarray(pixels[..., 3]),
        np.asarray(shade),
    )


def all_layers(cutouts: Sequence[Layers], scenes: Sequence[Scene]) -> list[Layers]:
    """Everything that can be set on another background."""
    return [*cutouts, *(scene_layers(scene) for scene in scenes)]


def _bytes(values: FloatImage) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
