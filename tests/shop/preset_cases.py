"""What the tests of marketplaces' rules share: their days, and what is wrong with a picture."""

from __future__ import annotations

from datetime import date

from shopimg.presets.checking import Status, Subject, check
from shopimg.presets.rules import Preset

LAST_OLD, FIRST_NEW = date(2027, 1, 30), date(2027, 1, 31)
"""Around the day on which Google asks for larger pictures."""
TODAY = date(2026, 11, 25)


def not_passed(subject: Subject, preset: Preset, day: date = TODAY) -> dict[str, Status]:
    """Return the rules that a picture does not pass, and whether they warn or fail."""
    findings = check(subject, preset, day)
    return {f.rule.id: f.status for f in findings if f.status is not Status.PASS}
