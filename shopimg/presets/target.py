"""Makes a recipe aim at a market: frame, background and file as its rules want them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from shopimg.contract import (
    Backdrop,
    Cutout,
    Frame,
    Output,
    Recipe,
    RecipeError,
    Role,
    Step,
    Upscale,
)
from shopimg.presets.operations import operations_of
from shopimg.presets.rules import Operation, Preset, Target

# Of a phone's photographs; what is longer only misses recommendations.
_LONGEST_RATIO = 4 / 3
_ADVICE = {
    Operation.ENLARGEMENT: "enlarged pictures: leave out the step upscale",
    Operation.GENERATED_BACKDROP: (
        "generated backdrops: give the step backdrop the generator 'colour'"
    ),
}


def target(recipe: Recipe, preset: Preset) -> Recipe:
    """Return a recipe of which every role aims at a market, and makes what is large enough there.

    Raises:
        RecipeError: the market forbids what a role does, or wants what it does not do; the message
            says what to change.

    >>> from shopimg.contract import WHITE
    >>> from shopimg.presets.markets import WALMART
    >>> target(WHITE, WALMART).roles[0].result_size(400, 300)
    (2200, 2200)
    """
    roles = tuple(target_role(_enlarging(role, preset.target), preset) for role in recipe.roles)
    return dataclasses.replace(recipe, roles=roles)


def target_role(role: Role, preset: Preset) -> Role:
    """Return a role that aims at a market; see ``target``."""
    check_allowed(role, preset)
    aim = preset.target
    if aim.colour and not any(isinstance(step, Backdrop) and step.is_plain for step in role.steps):
        raise RecipeError(
            f"Role {role.name!r}: {preset.title} wants the background {aim.colour}. Add the steps "
            "cutout and backdrop, with the generator 'colour'."
        )
    steps = tuple(_aimed(step, aim) for step in (_framed(role.steps) if aim.side else role.steps))
    return dataclasses.replace(role, steps=steps, output=Output(aim.format, aim.quality))


def check_allowed(role: Role, preset: Preset, *, is_main: bool = True) -> None:
    """Refuse a role that does what a market forbids.

    Args:
        role: of a recipe.
        preset: the market.
        is_main: whether it makes main images.

    Raises:
        RecipeError: the message says what to leave out.
    """
    rules = (rule for rule in preset.rules if is_main or not rule.only_main)
    forbidden = {name for rule in rules for name in rule.none_of}
    for operation in sorted(operations_of(role) & forbidden):
        raise RecipeError(
            f"Role {role.name!r}: {preset.title} refuses {_ADVICE[Operation(operation)]}."
        )


def _enlarging(role: Role, aim: Target) -> Role:
    """Let a role whose pictures keep their shape reach the market's size on both of their sides."""
    if not aim.side or any(isinstance(step, Cutout | Frame) for step in role.steps):
        return role
    longest = round(aim.side * _LONGEST_RATIO)
    steps = tuple(
        dataclasses.replace(step, scale=None, to=longest) if isinstance(step, Upscale) else step
        for step in role.steps
    )
    return dataclasses.replace(role, steps=steps)


def _framed(steps: Sequence[Step]) -> Sequence[Step]:
    """Put a frame after the cut-out where a role has none: by it the product gets its size."""
    if any(isinstance(step, Frame) for step in steps):
        return steps
    return [
        one for step in steps for one in ((step, Frame()) if isinstance(step, Cutout) else (step,))
    ]


def _aimed(step: Step, aim: Target) -> Step:
    if isinstance(step, Frame) and aim.side:
        return dataclasses.replace(step, width=aim.side, height=aim.side, fill=aim.fill)
    if isinstance(step, Backdrop) and step.is_plain and aim.colour:
        return dataclasses.replace(step, colour=aim.colour)
    return step
