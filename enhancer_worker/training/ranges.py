"""Which numbers an option may have, and how that is told."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Finite numbers from one to another, both included."""

    least: float
    """The lowest."""
    most: float = math.inf
    """The highest; infinite: there is none, but every number is finite."""
    otherwise: float | None = None
    """A number outside that stands for something else, such as -1 for all."""

    def holds(self, number: float) -> bool:
        """Whether a number is one of them; what is not a number is not."""
        inside = math.isfinite(number) and self.least <= number <= self.most
        return inside or number == self.otherwise

    def __str__(self) -> str:
        """Words for it.

        >>> str(Range(0, 1, otherwise=-1))
        '-1 or from 0 to 1'
        """
        least, most = f"{self.least:g}", f"{self.most:g}"
        words = f"from {least} to {most}" if math.isfinite(self.most) else f"at least {least}"
        return words if self.otherwise is None else f"{self.otherwise:g} or {words}"


NOT_NEGATIVE = Range(0)
POSITIVE = Range(1)
FRACTION = Range(0, 1)


def whole_number(limits: Range) -> Callable[[str], int]:
    """Type of an `argparse` option: a whole number within limits.

    >>> whole_number(NOT_NEGATIVE)("3")
    3
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as err:
            raise ArgumentTypeError(f"{text!r} is no whole number") from err
        if not limits.holds(number):
            raise ArgumentTypeError(f"it is {limits}, not {number}")
        return number

    return read
