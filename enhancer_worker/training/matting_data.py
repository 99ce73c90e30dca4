"""Pictures with exact alpha to train the matting net on: objects set on other backgrounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import Pair, to_tensor
from enhancer_worker.training.degradations import compress_jpeg
from enhancer_worker.training.matting_layers import Layers, Scene, shrunk
from enhancer_worker.training.matting_pseudo import lifted
from enhancer_worker.training.matting_scenery import Scenery, natural, studio
from enhancer_worker.training.matting_shapes import invent, smooth_noise
from enhancer_worker.training.matting_stickers import stickered

LARGEST_MEMBERS = 3


@dataclass(frozen=True)
class MattingMix:
    """How often each kind of picture is drawn; the rest are products on backgrounds."""

    scenes: float = 0.1
    """Fraction of rendered scenes, cropped and turned."""
    labelled: float = 0.15
    """Fraction of photographs that an earlier net has labelled, where there are."""
    invented: float = 0.45
    """Fraction of invented objects in photographs."""
    pale: float = 0.1
    """Fraction of products that are made white and set on white."""
    alike: float = 0.08
    """Fraction of products on a plain background of their own mean colour."""
    stickers: float = 0.15
    """Fraction of products, in scenes too, on which a label is stuck."""
    several: float = 0.2
    """Fraction of pictures with two or three objects, pale ones aside."""


class Sample(NamedTuple):
    """A picture and its alpha."""

    picture: FloatImage
    """(S, S, 3), float32, [0, 1]."""
    alpha: FloatImage
    """(S, S), float32, [0, 1]."""


class Handling(NamedTuple):
    """What is done to an object before it is placed."""

    recoloured: float = 0.0
    """How likely its colours are exchanged."""
    pale: bool = False
    """Whether it is made nearly white."""
    bend: float = 0.0
    """Displacement by a smooth noise, standard deviation, fraction of the frame."""
    share: float = 0.62
    """How long it usually is, of the frame."""


class _Placed(NamedTuple):
    colour: FloatImage
    """(S, S, 3), float32, [0, 255], multiplied by alpha."""
    alpha: FloatImage
    """(S, S, 1), float32, [0, 1]."""
    shade: FloatImage
    """(S, S, 1), float32, [0, 1]."""


class MattingPairs:
    """Draws composites.

    Args:
        products: cut-outs with their shadows.
        scenes: rendered scenes; there may be none.
        scenery: what backgrounds and invented objects are made of.
        batch: pictures per step.
        mix: how often each kind is drawn.
        labelled: photographs with masks that an earlier net has found.
    """

    def __init__(
        self,
        products: Sequence[Layers],
        scenes: Sequence[Scene],
        scenery: Scenery,
        batch: int,
        mix: MattingMix,
        labelled: Sequence[Scene] = (),
    ) -> None:
        self._products = products
        self._scenes = scenes
        self._scenery = scenery
        self._batch = batch
        self._mix = mix
        self._labelled = labelled
        self._lifted = [lifted(scene) for scene in labelled]

    def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
        """Draw pictures (B, 3, patch, patch) and their alpha (B, 1, patch, patch), [0, 1]."""
        drawn = [self.draw(rng, patch) for _ in range(self._batch)]
        alpha = np.stack([sample.alpha for sample in drawn])[:, None]
        return to_tensor([sample.picture for sample in drawn]), torch.from_numpy(alpha)

    def draw(self, rng: np.random.Generator, side: int) -> Sample:
        """Draw one picture of a side, pixels."""
        if self._labelled and rng.random() < self._mix.labelled:
            return _finished(_scene_crop(rng, self._labelled, side), rng)
        kind = rng.random()
        if self._scenes and kind < self._mix.scenes:
            return _finished(_scene_crop(rng, self._scenes, side, self._mix.stickers), rng)
        if kind < self._mix.scenes + self._mix.invented:
            return _finished(self._invented(rng, side), rng)
        return _finished(self._product(rng, side), rng)

    def _invented(self, rng: np.random.Generator, side: int) -> Sample:
        background = natural(rng, self._scenery, side)
        members = []
        for _ in range(self._members(rng)):
            shape = self._any_shape(rng)
            placed = place(shape, rng, side, Handling(recoloured=0.3, bend=0.08, share=0.7))
            members.append(harmonised(placed, background, float(rng.uniform(0, 0.75))))
        return composed(members, background, rng)

    def _product(self, rng: np.random.Generator, side: int) -> Sample:
        kind = rng.random()
        bend = 0.0 if rng.random() < 0.6 else 0.03
        if kind < self._mix.pale:
            white = Handling(pale=True, bend=bend)
            product = place(self._any_product(rng), rng, side, white)
            tone = np.full(3, rng.uniform(228, 256), np.float32)
            return composed([product], self._studio(rng, side, tone), rng)
        members = [
            place(self._any_product(rng), rng, side, Handling(recoloured=0.5, bend=bend))
            for _ in range(self._members(rng))
        ]
        if kind < self._mix.pale + self._mix.alike:
            weight = max(float(members[0].alpha.sum()), 1.0)
            tone = members[0].colour.sum((0, 1)) / weight + rng.normal(0, 10, 3).astype("f4")
            return composed(members, self._studio(rng, side, tone), rng)
        if rng.random() < 0.45:
            return composed(members, natural(rng, self._scenery, side), rng)
        return composed(members, self._studio(rng, side, None), rng)

    def _any_shape(self, rng: np.random.Generator) -> Layers:
        """An object for a snapshot: a product, one of a labelled photograph, or an invented one."""
        kind = rng.random()
        if kind < 0.15:
            return self._any_product(rng)
        if self._lifted and kind < 0.5:
            return self._lifted[int(rng.integers(len(self._lifted)))]
        return invent(rng, self._scenery.photos, self._scenery.materials())

    def _members(self, rng: np.random.Generator) -> int:
        if rng.random() >= self._mix.several:
            return 1
        return int(rng.integers(2, LARGEST_MEMBERS + 1))

    def _studio(self, rng: np.random.Generator, side: int, tone: FloatImage | None) -> FloatImage:
        return studio(rng, self._scenery, side, tone)

    def _any_product(self, rng: np.random.Generator) -> Layers:
        product = self._products[int(rng.integers(len(self._products)))]
        if not self._mix.stickers or rng.random() >= self._mix.stickers:
            return product
        return product._replace(colour=stickered(product.colour, product.alpha, rng))


def place(layers: Layers, rng: np.random.Generator, side: int, handling: Handling) -> _Placed:
    """Set an object into a square frame: scaled, turned, mirrored, sheared and bent at random.

    Args:
        layers: the object.
        rng: source of randomness.
        side: of the frame, pixels.
        handling: what else is done to it.
    """
    share = float(np.clip(rng.normal(handling.share, 0.2), 0.2, 1.05))
    small = shrunk(layers, max(16, int(share * side * 1.1)))
    small = paled(small, rng) if handling.pale else recoloured(small, rng, handling.recoloured)
    planes = np.concatenate(
        [
            small.colour.astype(np.float32) * (small.alpha[..., None] / np.float32(255)),
            small.alpha[..., None].astype(np.float32),
            small.shade[..., None].astype(np.float32),
        ],
        axis=2,
    )
    grid = _grid(rng, small.alpha.shape, share, side)
    if handling.bend:
        noise = [smooth_noise(rng, int(rng.integers(3, 7)), side) for _ in range(2)]
        grid = grid + torch.from_numpy(np.stack(noise, axis=2)) * (2 * handling.bend * rng.random())
    source = torch.from_numpy(planes).permute(2, 0, 1)[None]
    moved = functional.grid_sample(source, grid[None], align_corners=False)[0]
    placed = moved.permute(1, 2, 0).numpy()
    alpha, shade = (placed[..., c : c + 1] / np.float32(255) for c in (3, 4))
    return _Placed(placed[..., :3], cast(FloatImage, alpha), cast(FloatImage, shade))


def composed(
    members: Sequence[_Placed], background: FloatImage, rng: np.random.Generator
) -> Sample:
    """Lay objects and their shadows on a background, one after the other."""
    picture = background.astype(np.float32)
    whole = np.zeros_like(members[0].alpha)
    for member in members:
        shade = member.shade * np.float32(rng.uniform(0.3, 1.2))
        if rng.random() < 0.5:
            shade = np.maximum(shade, _cast_shadow(member.alpha, rng))
        picture *= (1 - np.minimum(shade, 0.95)) * (1 - member.alpha)
        picture += member.colour
        whole = member.alpha + whole * (1 - member.alpha)
    picture *= np.float32(1 / 255)
    return Sample(np.clip(picture, 0, 1, out=picture), np.minimum(whole[..., 0], 1))


def harmonised(placed: _Placed, background: FloatImage, strength: float) -> _Placed:
    """Draw the mean colour of an object towards that of its surroundings, so that it blends in."""
    weight = max(float(placed.alpha.sum()), 1.0)
    shift = background[::4, ::4].mean((0, 1)) - placed.colour.sum((0, 1)) / weight
    colour = placed.colour + np.float32(strength) * shift * placed.alpha
    return placed._replace(colour=np.clip(colour, 0, 255 * placed.alpha))


def recoloured(layers: Layers, rng: np.random.Generator, chance: float) -> Layers:
    """Exchange, weaken or strengthen the colours of an object, at times."""
    if rng.random() >= chance:
        return layers
    strength = np.float32(rng.uniform(0, 1.5))
    # The mean of all channels, mixed with one channel each: a matrix does it in one go.
    mixing = (1 - strength) / 3 + strength * np.eye(3, dtype=np.float32)[rng.permutation(3)]
    colour = np.clip(layers.colour.astype(np.float32) @ mixing, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:
        colour = 255 - colour
    return layers._replace(colour=_toned(colour, rng, float(np.exp(rng.normal(0, 0.35))), 0.2))


def _toned(
    picture: NDArray[np.uint8], rng: np.random.Generator, gamma: float, cast: float
) -> NDArray[np.uint8]:
    """Another contrast, and another brightness per channel by a share of up to `cast`."""
    levels = 255 * (np.arange(256) / 255) ** gamma
    table = np.clip(levels[:, None] * rng.uniform(1 - cast, 1 + cast, 3), 0, 255).astype(np.uint8)
    return np.stack([table[:, c][picture[..., c]] for c in range(3)], axis=2)


def paled(layers: Layers, rng: np.random.Generator) -> Layers:
    """Make an object nearly white, with what is left of its folds and prints."""
    grey = layers.colour.astype(np.float32).mean(2, keepdims=True)
    floor = rng.uniform(150, 225)
    colour = floor + (255 - floor) * grey / max(float(grey.max()), 1.0)
    return layers._replace(colour=np.repeat(np.clip(colour, 0, 255), 3, 2).astype(np.uint8))


def _grid(rng: np.random.Generator, size: tuple[int, int], share: float, side: int) -> Tensor:
    """Where each pixel of the frame lies in the object: (side, side, 2), in halves of its size."""
    turn = rng.normal(0, 0.15) if rng.random() < 0.75 else rng.uniform(-np.pi, np.pi)
    cosine, sine = np.cos(turn), np.sin(turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    linear = linear @ np.array([[np.exp(rng.normal(0, 0.1)), rng.normal(0, 0.08)], [0, 1]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    height, width = size
    longest = max(height, width)
    # Frame coordinates run from -1 to 1, and the object's longest side takes `share` of them.
    to_object = np.diag([longest / width, longest / height]) @ np.linalg.inv(linear) / share
    spread = 0.1 if rng.random() < 0.85 else 0.35
    # Its middle stays within the frame: a picture without a product teaches nothing.
    centre = np.clip(rng.normal(0, spread, 2) * 2, -0.8, 0.8)
    if rng.random() < 0.12:
        # Cut by the lower border, as portraits are.
        centre[1] = 1 - share * min(1, height / longest) * rng.uniform(0.3, 0.9)
    inverse = np.concatenate([to_object, (-to_object @ centre)[:, None]], axis=1)
    theta = torch.from_numpy(inverse.astype(np.float32))[None]
    return functional.affine_grid(theta, [1, 1, side, side], align_corners=False)[0]


def _cast_shadow(alpha: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A soft shadow beside and below an object: (S, S, 1)."""
    side = alpha.shape[0]
    mask = Image.fromarray((alpha[..., 0] * 255).astype(np.uint8))
    down, right = rng.normal(0.02, 0.03) * side, rng.normal(0, 0.04) * side
    slant = rng.normal(0, 0.15)
    matrix = (1, slant, -right - slant * side / 2, 0, rng.uniform(0.95, 1.3), -down)
    moved = mask.transform((side, side), Image.Transform.AFFINE, matrix)
    soft = moved.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.004, 0.06)) * side))
    strength = np.float32(rng.uniform(0.1, 0.7) / 255)
    return np.asarray(soft, np.float32)[..., None] * strength


def _scene_crop(
    rng: np.random.Generator, scenes: Sequence[Scene], side: int, stickers: float = 0.0
) -> Sample:
    scene = scenes[int(rng.integers(len(scenes)))]
    if stickers and rng.random() < stickers:
        scene = scene._replace(picture=_stickered_within(scene, rng))
    full = min(scene.alpha.shape)
    length = int(full * rng.uniform(0.6, 1.0))
    top, left = (int(rng.integers(extent - length + 1)) for extent in scene.alpha.shape)
    box = (left, top, left + length, top + length)
    bilinear = Image.Resampling.BILINEAR
    picture = Image.fromarray(scene.picture).resize((side, side), bilinear, box)
    alpha = Image.fromarray(scene.alpha).resize((side, side), bilinear, box)
    colour, cut = (np.asarray(plane, np.float32) / np.float32(255) for plane in (picture, alpha))
    return Sample(colour, cut)


def _stickered_within(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Stick a label on a scene's object; along its edge it is as transparent as the object."""
    share = scene.alpha[..., None] / np.float32(255)
    label = stickered(scene.picture, scene.alpha, rng)
    return np.rint(scene.picture * (1 - share) + label * share).astype(np.uint8)


def _finished(sample: Sample, rng: np.random.Generator) -> Sample:
    """What a camera and a shop do to the whole picture: colour cast, blur, noise, JPEG."""
    alpha = sample.alpha
    pixels = np.rint(sample.picture * 255).astype(np.uint8)
    if rng.random() < 0.5:
        pixels = _toned(pixels, rng, float(np.exp(rng.normal(0, 0.2))), 0.15)
    if rng.random() < 0.3:
        softness = ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.6)))
        pixels = np.asarray(Image.fromarray(pixels).filter(softness))
    picture = pixels.astype(np.float32) / np.float32(255)
    if rng.random() < 0.5:
        noise: FloatImage = rng.standard_normal(picture.shape, dtype=np.float32)
        picture += noise * np.float32(rng.exponential(4) / 255)
    if rng.random() < 0.5:
        picture = compress_jpeg(picture, int(rng.integers(45, 98)), "4:2:0")
    if rng.random() < 0.5:
        picture, alpha = picture[:, ::-1], alpha[:, ::-1]
    return Sample(np.clip(picture, 0, 1), np.ascontiguousarray(alpha))
