"""Checks of single options; each message names the option and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeGuard

from shopimg.contract.errors import RecipeError
from shopimg.contract.networks import check_digest, check_file

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_MOST_CHARACTERS = 100


def is_integer(value: object) -> TypeGuard[int]:
    """Tell whether a value is an integer; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_number(what: str, value: object, least: float, most: float) -> None:
    """Refuse what is no number within bounds.

    Raises:
        RecipeError: it is not.
    """
    number = isinstance(value, float) or is_integer(value)
    if not number or not least <= value <= most:  # type: ignore[operator]
        raise RecipeError(f"{what} must be between {least:g} and {most:g}, not {value!r}.")


def check_integer(what: str, value: object, least: int, most: int) -> None:
    """Refuse what is no integer within bounds.

    Raises:
        RecipeError: it is not.
    """
    if not is_integer(value) or not least <= value <= most:
        raise RecipeError(f"{what} must be an integer from {least} to {most}, not {value!r}.")


def check_choice(what: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is none of the choices.

    Raises:
        RecipeError: it is not.
    """
    if value not in choices:
        raise RecipeError(f"{what} must be one of {', '.join(choices)}, not {value!r}.")


def check_words(what: str, value: object) -> None:
    """Refuse what is no short text of printable characters, which any database can keep.

    Raises:
        RecipeError: it is not.
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MOST_CHARACTERS:
        limit = f"a text of at most {_MOST_CHARACTERS} printable characters"
        raise RecipeError(f"{what} must be {limit}, not {value!r:.120}.")


def check_colour(what: str, value: object) -> None:
    """Refuse what is no colour as `#rrggbb`, in lower case.

    Raises:
        RecipeError: it is not.
    """
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise RecipeError(f"{what} must be a colour such as #f4f1ea, not {value!r}.")


def check_strength(step: str, strength: object) -> None:
    """Refuse what is no strength of a step, 0 to 1.

    Raises:
        RecipeError: it is not.
    """
    check_number(f"{step}.strength", strength, 0, 1)


def check_network(step: str, network: object, sha256: object) -> None:
    """Refuse a network from elsewhere without its digest, and the other way round.

    Raises:
        RecipeError: only one of them is there, or one is not valid.
    """
    if not network and not sha256:
        return
    if not network or not sha256:
        raise RecipeError(f"{step} needs both network and sha256, or neither.")
    check_file(f"{step}.network", network)
    check_digest(f"{step}.sha256", sha256)
