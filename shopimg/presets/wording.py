"""Says measured values and limits in the units in which people think of them."""

from __future__ import annotations

from collections.abc import Mapping

from shopimg.presets.rules import Fact, Rule

NAMES: Mapping[Fact, str] = {
    Fact.FORMAT: "file format",
    Fact.LONGEST_SIDE: "longest side",
    Fact.SHORTEST_SIDE: "shortest side",
    Fact.PIXELS: "pixels",
    Fact.SIZE_BYTES: "file size",
    Fact.FRAMES: "frames",
    Fact.RATIO: "width / height",
    Fact.COLOUR_SPACE: "colour space",
    Fact.JPEG_QUALITY: "JPEG quality, estimated",
    Fact.FILL: "product's share of the frame",
    Fact.WHITE_BORDER: "exactly white border",
    Fact.WHITE_AREA: "exactly white background",
    Fact.OPERATIONS: "what was done",
    Fact.ORIGIN: "stated origin",
    Fact.IMAGES: "images of the product",
}
"""What people call each fact."""

_SHARES = (Fact.FILL, Fact.WHITE_BORDER, Fact.WHITE_AREA)
_SIDES = (Fact.LONGEST_SIDE, Fact.SHORTEST_SIDE)
_MILLIONS = {Fact.SIZE_BYTES: "MB", Fact.PIXELS: "MP"}


def say_value(fact: Fact, value: int | float | str) -> str:
    """Write a measured value with its unit.

    >>> say_value(Fact.FILL, 0.4999), say_value(Fact.PIXELS, 1_480_000)
    ('49.99 %', '1.48 MP')
    """
    if isinstance(value, str):
        return _last_part(value) or "nothing"
    if fact in _SHARES:
        return f"{_short(int(10_000 * value) / 100)} %"  # never rounded up to all
    if fact in _SIDES:
        return f"{value:.0f} px"
    if fact in _MILLIONS:
        return f"{_short(value / 1_000_000)} {_MILLIONS[fact]}"
    return _short(value)


def say_unknown(fact: Fact) -> str:
    """Say why a fact could not be measured.

    >>> say_unknown(Fact.FILL)
    'no product told from background'
    """
    if fact is Fact.IMAGES:
        return "nobody has said which images belong to one product"
    if fact is Fact.WHITE_BORDER:
        return "the product covers the border"
    return "no product told from background"


def say_wanted(rule: Rule) -> str:
    """Write what a rule asks for.

    >>> from shopimg.presets.markets import GOOGLE
    >>> [say_wanted(rule) for rule in GOOGLE.rules if rule.id == "fill"]
    ['75 % to 90 %']
    """
    if rule.none_of:
        return f"no {' or '.join(rule.none_of)}"
    if rule.one_of:
        return " or ".join(_last_part(value) for value in rule.one_of)
    if rule.fact in _SHARES and rule.at_least == 1:
        return "100 %"
    least = "" if rule.at_least is None else say_value(rule.fact, rule.at_least)
    most = "" if rule.at_most is None else say_value(rule.fact, rule.at_most)
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else f"at most {most}"


def say_when(rule: Rule) -> str:
    """Write on which days a rule holds; an empty text for always."""
    first = f"from {rule.valid_from}" if rule.valid_from else ""
    end = f"before {rule.valid_until}" if rule.valid_until else ""
    return f"{first} {end}".strip()


def _short(value: float) -> str:
    """Write a number to its sixth decimal, which a file of bytes needs, without idle zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _last_part(value: str) -> str:
    """Leave the address of IPTC away from its codes."""
    return value.rpartition("/")[2] if value.startswith("http") else value
