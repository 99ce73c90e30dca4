"""Operations that take the product out of its photograph and set it elsewhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from shopimg.contract.errors import RecipeError
from shopimg.contract.networks import check_digest, check_file
from shopimg.contract.steps.base import Step
from shopimg.contract.steps.photo import Upscale
from shopimg.contract.steps.values import (
    check_choice,
    check_colour,
    check_integer,
    check_number,
    check_words,
)
from shopimg.contract.weights import WeightName

STYLES = (
    "studio_white",
    "studio_gradient",
    "cove",
    "wood_table",
    "marble",
    "concrete",
    "fabric",
    "interior_bokeh",
    "outdoor_bokeh",
)
"""Backdrops that the generator has learned."""
BRAND = "brand"
"""A style that a shop has taught its generator; the weights that ship know none."""
SHADOW_MODES = ("none", "soft", "hard", "floating")
"""No shadow; one of a large or of a small light, from where the product stands; one far below."""
ALIGNMENTS = ("centre", "bottom")
"""Where the product stands in its frame."""
GENERATED = "gan"
"""The backdrop generator that ships."""
ENLARGED_TIMES = 4
"""By how much what it has painted is enlarged."""
PLAIN = "colour"
"""The backdrop of one colour."""
PICTURE = "image"
"""The backdrop that is a picture of the shop's own."""
WHITE_COLOUR = "#ffffff"
SMALLEST_FRAME, LARGEST_FRAME = 64, 8000
LARGEST_MARGINS = 0.9
_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?")
MOST_PALETTE_COLOURS = 5
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Cutout(Step):
    """Make everything but the product transparent; its shadow is not part of it.

    An upload that is cut out already keeps its own transparency; a few clear pixels do not count.
    """

    name: ClassVar[str] = "cutout"
    engine: str = ""
    """A session of `rembg`, such as ``isnet-general-use``; empty for our network."""
    mask: str = ""
    """sha256 of a mask that somebody has corrected; it replaces what the network would find."""

    def __post_init__(self) -> None:
        if self.engine:
            check_file("cutout.engine", self.engine)
        if self.mask:
            check_digest("cutout.mask", self.mask)

    def _may_run(self, weight: WeightName) -> bool:
        return weight.step == self.name and not self.engine and not self.mask


@dataclass(frozen=True, slots=True)
class Frame(Step):
    """Place the product in a frame of a given size.

    Without a cut-out the whole picture is placed, and its edges are continued.
    """

    name: ClassVar[str] = "frame"
    width: int = 0
    """Pixels, 64 to 8,000; 0 with ``height`` 0 keeps the size of the picture."""
    height: int = 0
    """Likewise."""
    fill: float = 0.85
    """Share of the frame that the product's box takes along the side that it fills most, 0.1
    to 1."""
    padding: float = 0.0
    """Share of the shorter side that stays free at each edge, 0 to 0.45."""
    margins: tuple[float, ...] = ()
    """The same by edge, in place of ``padding``: top, right, bottom and left, 0 to 0.9 each and
    opposite ones together; empty: all are the padding."""
    ratio: str = ""
    """Width to height, such as ``4:5``: the size of the picture, extended to it on two sides.
    Excludes ``width`` and ``height``."""
    align: str = "centre"
    """``centre`` of what the edges leave, or ``bottom`` to stand on the lower one."""

    def __post_init__(self) -> None:
        if not self.width == self.height == 0:
            for side in ("width", "height"):
                check_integer(f"frame.{side}", getattr(self, side), SMALLEST_FRAME, LARGEST_FRAME)
        object.__setattr__(self, "margins", _margins(self.margins))
        _check_ratio(self.ratio, has_size=self.width > 0)
        check_number("frame.fill", self.fill, 0.1, 1)
        check_number("frame.padding", self.padding, 0, 0.45)
        check_choice("frame.align", self.align, ALIGNMENTS)

    def result_size(self, width: int, height: int) -> tuple[int, int]:
        """Tell the size of the result, which every enhancer reaches exactly.

        Args:
            width: of the picture, pixels.
            height: likewise.

        >>> Frame(width=2000, height=2000).result_size(400, 300)
        (2000, 2000)
        >>> Frame().result_size(400, 300)
        (400, 300)
        >>> Frame(ratio="4:5").result_size(400, 300)
        (400, 500)
        """
        if self.width:
            return self.width, self.height
        if not self.ratio:
            return width, height
        across, down = map(int, self.ratio.split(":"))
        return max(width, -(-height * across // down)), max(height, -(-width * down // across))

    @property
    def edges(self) -> tuple[float, ...]:
        """What stays free at the top, right, bottom and left, shares of the shorter side."""
        return self.margins or (self.padding,) * 4

    def _may_run(self, weight: WeightName) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Backdrop(Step):
    """Set the product before a backdrop, with its shadow; no pixel inside the product changes."""

    name: ClassVar[str] = "backdrop"
    generator: str = GENERATED
    """``gan``, ``colour``, ``image``, or the dotted path of a generator of the shop's own."""
    style: str = "studio_gradient"
    """One of ``STYLES``, or ``brand``; for a generator of the shop's own up to 100 printable
    characters, of which it makes what it likes."""
    further_styles: tuple[str, ...] = ()
    """Of the candidates after the first, in turn; empty: all have the same."""
    palette: tuple[str, ...] = ()
    """Up to five colours ``#rrggbb``, the main one first; empty for those of the style."""
    seed: int = 0
    """0 to 2,147,483,647; equal seeds and options give equal bytes."""
    horizon: float = 0.62
    """Where the surface ends, share of the height from the top, 0.2 to 0.95."""
    light_direction: float = 315.0
    """Where the light comes from, degrees clockwise from behind the product, 0 to 360: 90 is from
    the right, 180 from the camera, 315 from behind on the left."""
    light_elevation: float = 50.0
    """Height of the light above the surface, degrees, 10 to 85."""
    light_size: float = 0.6
    """From 0 (a point: hard edges) to 1 (a whole wall: soft ones)."""
    colour: str = WHITE_COLOUR
    """Of the generator ``colour``."""
    image: str = ""
    """Name of a file in the workers' ``ENHANCER_BACKDROPS_DIR``, for the generator ``image``."""
    shadow_mode: str = "soft"
    """One of ``SHADOW_MODES``."""
    shadow_opacity: float = 0.55
    """Darkness of the shadow at its darkest, 0 to 1."""
    reflection: float = 0.0
    """Share of the product that the surface mirrors, 0 to 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "palette", _palette(self.palette))
        object.__setattr__(self, "further_styles", _styles(self.further_styles))
        own = isinstance(self.generator, str) and "." in self.generator
        if not own:
            choices = (GENERATED, PLAIN, PICTURE)
            check_choice("backdrop.generator", self.generator, choices)
        for style in self._styles:
            if own:
                check_words("backdrop.style", style)
            else:
                check_choice("backdrop.style", style, (*STYLES, BRAND))
        check_integer("backdrop.seed", self.seed, 0, LARGEST_SEED)
        check_number("backdrop.horizon", self.horizon, 0.2, 0.95)
        check_number("backdrop.light_direction", self.light_direction, 0, 360)
        check_number("backdrop.light_elevation", self.light_elevation, 10, 85)
        for share in ("light_size", "shadow_opacity", "reflection"):
            check_number(f"backdrop.{share}", getattr(self, share), 0, 1)
        check_colour("backdrop.colour", self.colour)
        check_choice("backdrop.shadow_mode", self.shadow_mode, SHADOW_MODES)
        if self.image:
            check_file("backdrop.image", self.image)
        if self.generator == PICTURE and not self.image:
            raise RecipeError("backdrop.image must name the picture to use.")

    @property
    def is_plain(self) -> bool:
        """Whether it is of one colour, which has neither style nor light."""
        return self.generator == PLAIN

    @property
    def is_white(self) -> bool:
        """Whether it is nothing but pure white."""
        shaded = self.shadow_mode != "none" and self.shadow_opacity > 0
        return self.is_plain and self.colour == WHITE_COLOUR and not shaded and not self.reflection

    def candidate(self, number: int) -> Backdrop:
        """Return the step of one of several candidates: seeds count up, styles take turns.

        >>> Backdrop(seed=7).candidate(2).seed
        9
        >>> Backdrop(style="marble", further_styles=["cove"]).candidate(3).style
        'cove'
        """
        seed = (self.seed + number) % (LARGEST_SEED + 1)
        style = self._styles[number % len(self._styles)]
        return dataclasses.replace(self, seed=seed, style=style, further_styles=())

    @property
    def _styles(self) -> tuple[str, ...]:
        return (self.style, *self.further_styles)

    def _may_run(self, weight: WeightName) -> bool:
        """Count the upscaler that enlarges what the generator has painted, always the small one."""
        if self.generator != GENERATED:
            return False
        enlarges = WeightName(Upscale.name, ENLARGED_TIMES, "s", "faithful")
        flavours = {BRAND if style == BRAND else "faithful" for style in self._styles}
        paints = weight.step == self.name and weight.flavour in flavours
        return paints or weight == enlarges


def _styles(styles: object) -> tuple[str, ...]:
    if not isinstance(styles, Sequence) or isinstance(styles, str):
        raise RecipeError(f"backdrop.further_styles must be a list of styles, not {styles!r}.")
    return tuple(styles)


def _palette(colours: object) -> tuple[str, ...]:
    """A JSON list is a tuple again, so that equal steps are equal."""
    if not isinstance(colours, Sequence) or isinstance(colours, str):
        raise RecipeError(f"backdrop.palette must be a list of colours, not {colours!r}.")
    if len(colours) > MOST_PALETTE_COLOURS:
        raise RecipeError(f"backdrop.palette must have at most {MOST_PALETTE_COLOURS} colours.")
    for colour in colours:
        check_colour("backdrop.palette", colour)
    return tuple(colours)


def _margins(margins: object) -> tuple[float, ...]:
    if not isinstance(margins, list | tuple) or len(margins) not in (0, 4):
        raise RecipeError(
            f"frame.margins must be four shares: top, right, bottom, left, not {margins!r}."
        )
    for share in margins:
        check_number("frame.margins", share, 0, LARGEST_MARGINS)
    if margins and max(margins[0] + margins[2], margins[1] + margins[3]) > LARGEST_MARGINS:
        raise RecipeError(f"frame.margins must leave a tenth between them, not {margins!r}.")
    return tuple(margins)


def _check_ratio(ratio: object, *, has_size: bool) -> None:
    if ratio == "":
        return
    if not isinstance(ratio, str) or not _RATIO.fullmatch(ratio):
        raise RecipeError(f"frame.ratio must be width to height such as 4:5, not {ratio!r}.")
    if has_size:
        raise RecipeError("frame needs either ratio or width and height.")
