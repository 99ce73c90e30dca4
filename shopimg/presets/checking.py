"""Compares what was measured of a picture with the rules of a market."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from shopimg.backgrounds import WHITE
from shopimg.measuring import Measured
from shopimg.presets.rules import Fact, Operation, Preset, Rule, Severity, rules_on
from shopimg.presets.wording import say_unknown, say_value, say_wanted

Value = int | float | str | None
"""What was measured, as JSON has it."""


class Status(enum.StrEnum):
    """What became of one rule for one picture."""

    PASS = "pass"  # noqa: S105  # no password
    """It is kept."""
    WARN = "warn"
    """A recommendation is missed."""
    FAIL = "fail"
    """A requirement is missed."""
    UNKNOWN = "unknown"
    """It could not be measured: the product cannot be told from its background, or nobody has
    said which images belong to one product."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a picture is by one rule."""

    rule: Rule
    """The rule."""
    status: Status
    """What became of it."""
    value: Value
    """What was measured; None where that was not possible."""
    wanted: str
    """What the rule asks for, in words."""
    message: str
    """Value and wish in one sentence."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A picture with what is known of it besides its file."""

    measured: Measured
    """What its file is."""
    operations: Collection[Operation] = ()
    """What was done to it."""
    images: int | None = None
    """How many images its product has; None where that is not known."""
    is_main: bool = True
    """Whether it is the main image of its product."""


def check(subject: Subject, preset: Preset, day: date) -> list[Finding]:
    """Hold a picture against every rule that is in force on a day and says something about it."""
    rules = rules_on(preset, day)
    return [_check(subject, rule) for rule in rules if _is_about(subject, rule)]


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst of some statuses, ``PASS`` of none; unknown is better than a warning.

    >>> worst([Status.PASS, Status.UNKNOWN, Status.WARN])
    <Status.WARN: 'warn'>
    """
    return max(statuses, key=_ORDER.index, default=Status.PASS)


_ORDER = (Status.PASS, Status.UNKNOWN, Status.WARN, Status.FAIL)


def _is_about(subject: Subject, rule: Rule) -> bool:
    if rule.only_main and not subject.is_main:
        return False
    if rule.fact is Fact.JPEG_QUALITY:
        return subject.measured.jpeg_quality is not None
    if rule.fact is Fact.ORIGIN:
        return Operation.GENERATED_BACKDROP in subject.operations
    return True


def _check(subject: Subject, rule: Rule) -> Finding:
    value = _value(subject, rule)
    wanted = say_wanted(rule)
    if value is None:
        message = f"not measured ({say_unknown(rule.fact)}), wanted {wanted}"
        return Finding(rule, Status.UNKNOWN, None, wanted, message)
    good = _is_good(subject, rule, value)
    missed = Status.FAIL if rule.severity is Severity.ERROR else Status.WARN
    message = f"{say_value(rule.fact, value)}{_darkest(subject, rule)}, wanted {wanted}"
    return Finding(rule, Status.PASS if good else missed, value, wanted, message)


def _darkest(subject: Subject, rule: Rule) -> str:
    background = subject.measured.background
    minimum = {
        Fact.WHITE_BORDER: background.border_minimum,
        Fact.WHITE_AREA: background.outside_minimum,
    }.get(rule.fact)
    return "" if minimum in (None, WHITE) else f" (darkest channel {minimum})"


def _value(subject: Subject, rule: Rule) -> Value:
    if rule.fact is Fact.OPERATIONS:
        return ", ".join(sorted(subject.operations))
    if rule.fact is Fact.IMAGES:
        return subject.images
    if rule.fact in (Fact.WHITE_BORDER, Fact.WHITE_AREA):
        share: float | None = getattr(subject.measured.background, rule.fact)
        return share
    value: Value = getattr(subject.measured, rule.fact)
    return value


def _is_good(subject: Subject, rule: Rule, value: int | float | str) -> bool:
    if rule.none_of:
        return not set(subject.operations) & set(rule.none_of)
    return rule.allows(value)
