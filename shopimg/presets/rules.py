"""What a marketplace's rule is made of: what is measured, its limits, since when, says who."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date

THIRD_PARTIES = "third parties"
"""Source of a number that several guides give alike, and no page of the market that we know."""


class Severity(enum.StrEnum):
    """How bad it is to miss a rule."""

    ERROR = "error"
    """The market refuses or hides the picture."""
    WARN = "warn"
    """The market accepts the picture and advises against it."""


class Fact(enum.StrEnum):
    """What a rule is about; but for the last ones, an attribute of ``measuring.Measured``."""

    FORMAT = "format"
    """File format, one of ``measuring.FORMATS``."""
    LONGEST_SIDE = "longest_side"
    """Pixels."""
    SHORTEST_SIDE = "shortest_side"
    """Pixels."""
    PIXELS = "pixels"
    """Width x height."""
    SIZE_BYTES = "size_bytes"
    """Length of the file."""
    FRAMES = "frames"
    """More than 1 in an animation."""
    RATIO = "ratio"
    """Width divided by height."""
    COLOUR_SPACE = "colour_space"
    """``sRGB``, ``untagged``, ``CMYK`` or the name of a profile."""
    JPEG_QUALITY = "jpeg_quality"
    """Estimated, 1 to 100; the rule says nothing of other formats."""
    FILL = "fill"
    """Share of the frame that the product spans, in the direction in which it spans more."""
    WHITE_BORDER = "border_white_share"
    """Share of exactly white pixels along the border."""
    WHITE_AREA = "outside_white_share"
    """Share of exactly white pixels around the product."""
    OPERATIONS = "operations"
    """What was done to the picture, of ``Operation``."""
    ORIGIN = "digital_source_type"
    """What the file states about a part that was generated; else the rule says nothing."""
    IMAGES = "images"
    """How many images the product has."""


class Operation(enum.StrEnum):
    """What a market may forbid to do to a picture."""

    ENLARGEMENT = "enlargement"
    """More pixels than the photograph had."""
    GENERATED_BACKDROP = "generated backdrop"
    """A background that no camera has seen."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement or recommendation of a market. Limits are inclusive."""

    id: str
    """Name, unique within the preset on any day."""
    fact: Fact
    """What is measured."""
    severity: Severity
    """How bad it is to miss it."""
    source: str
    """Address of the page that says so, or ``THIRD_PARTIES``."""
    at_least: float | None = None
    """Smallest good value."""
    at_most: float | None = None
    """Largest good value."""
    one_of: tuple[str, ...] = ()
    """Good values."""
    none_of: tuple[str, ...] = ()
    """Bad values."""
    valid_from: date | None = None
    """First day on which it holds; None where it has held since before we looked."""
    valid_until: date | None = None
    """First day on which it holds no more; None where no end is known."""
    only_main: bool = False
    """About the main image only, not about the additional ones."""

    def allows(self, value: float | str) -> bool:
        """Tell whether a value keeps the rule."""
        if isinstance(value, str):
            return value not in self.none_of and (not self.one_of or value in self.one_of)
        at_least = self.at_least is None or value >= self.at_least
        return at_least and (self.at_most is None or value <= self.at_most)

    def holds_on(self, day: date) -> bool:
        """Tell whether the rule is in force on a day."""
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_until is None or day < self.valid_until)


@dataclass(frozen=True, slots=True)
class Target:
    """What a recipe makes that aims at a market: within the rules, with a margin."""

    side: int = 0
    """Width and height of the frame in pixels; 0 leaves frame and product as they are, where the
    market refuses what was enlarged."""
    fill: float = 0.85
    """Share of the frame that the product spans, in the direction in which it spans more."""
    colour: str = ""
    """Background that the market demands, as ``#rrggbb``; empty where it leaves the choice."""
    format: str = "jpeg"
    """Output format of the contract."""
    quality: int = 95
    """Encoder quality, 1 to 100."""


@dataclass(frozen=True, slots=True)
class Preset:
    """The rules of one market, as they were known on one day."""

    name: str
    """What the command line and recipes call it."""
    title: str
    """What people call it."""
    as_of: date
    """When the numbers were collected."""
    rules: tuple[Rule, ...]
    """Also those that begin or end on another day."""
    fix: str
    """Built-in recipe that can aim at the market."""
    target: Target
    """What a recipe that names the preset makes."""
    not_measured: tuple[str, ...] = ()
    """What the market asks for besides, and only a person can judge."""


def rules_on(preset: Preset, day: date) -> tuple[Rule, ...]:
    """Return the rules of a preset that are in force on a day, in its order."""
    return tuple(rule for rule in preset.rules if rule.holds_on(day))
