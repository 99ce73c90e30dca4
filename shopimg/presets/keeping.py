"""Keeps a role at its market: tells which of the market's rules a changed option would break."""

from __future__ import annotations

from datetime import date

from shopimg.contract import Backdrop, Cutout, Frame, RecipeError, Role
from shopimg.presets.rules import Fact, Operation, Preset, rules_on
from shopimg.presets.wording import NAMES, say_value, say_wanted

_DIGITS = 6


def check_kept(before: Role, after: Role, preset: Preset, day: date) -> None:
    """Refuse other options of a role by which it would miss a rule of its market.

    Only what is known without the picture counts: the frame, the product's share of it, the colour
    of the background. How large the file becomes, an audit measures.

    Args:
        before: a role that aims at the market.
        after: the same role with other options.
        preset: the market.
        day: whose rules count.

    Raises:
        RecipeError: the message names the rule.

    >>> from shopimg.contract import WHITE, with_options
    >>> from shopimg.presets.markets import AMAZON
    >>> (wide,) = with_options(WHITE, {"padding": 0.2}).roles
    >>> check_kept(WHITE.roles[0], wide, AMAZON, date(2026, 11, 25))
    Traceback (most recent call last):
    shopimg.contract.errors.RecipeError: Role 'white' would miss the rule 'fill' of Amazon \
(product's share of the frame: 60 %, wanted at least 85 %).
    """
    known, foreseen = _foreseen(before), _foreseen(after)
    if _may_enlarge(before, after):
        foreseen[Fact.OPERATIONS] = Operation.ENLARGEMENT
    for rule in rules_on(preset, day):
        value = foreseen.get(rule.fact)
        if value is None or value == known.get(rule.fact) or rule.allows(value):
            continue
        raise RecipeError(
            f"Role {after.name!r} would miss the rule {rule.id!r} of {preset.title} "
            f"({NAMES[rule.fact]}: {say_value(rule.fact, value)}, wanted {say_wanted(rule)})."
        )


def _foreseen(role: Role) -> dict[Fact, float | str]:
    """Return what a role makes of a picture, whatever the picture."""
    facts: dict[Fact, float | str] = {}
    frame = _frame_of(role)
    if frame and frame.width:
        facts |= {
            Fact.LONGEST_SIDE: max(frame.width, frame.height),
            Fact.SHORTEST_SIDE: min(frame.width, frame.height),
            Fact.PIXELS: frame.width * frame.height,
            Fact.RATIO: frame.width / frame.height,
        }
    if frame and frame.ratio:
        across, down = map(int, frame.ratio.split(":"))
        facts[Fact.RATIO] = across / down
    if frame and any(isinstance(step, Cutout) for step in role.steps):
        facts[Fact.FILL] = _fill(frame)
    if isinstance(ground := role.steps[-1], Backdrop) and ground.is_plain:
        white = float(ground.is_white)
        facts |= {Fact.WHITE_BORDER: white, Fact.WHITE_AREA: white}
    return facts


def _may_enlarge(before: Role, after: Role) -> bool:
    """Tell whether a product may come out larger than it did, whatever its size was."""
    old, new = _frame_of(before), _frame_of(after)
    if old is None or new is None:
        return False
    if not old.width:
        return bool(new.width) or _fill(new) > _fill(old)
    return any(
        _fill(new) * getattr(new, side) > _fill(old) * getattr(old, side)
        for side in ("width", "height")
    )


def _fill(frame: Frame) -> float:
    """Return the share that a product spans at least, as the edges let it."""
    top, right, bottom, left = frame.edges
    return round(min(frame.fill, 1 - max(top + bottom, left + right)), _DIGITS)


def _frame_of(role: Role) -> Frame | None:
    return next((step for step in role.steps if isinstance(step, Frame)), None)
