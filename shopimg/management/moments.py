"""Reads a moment or a day from the command line."""

from __future__ import annotations

import argparse
from datetime import date, datetime

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime


def moment(text: str) -> datetime:
    """Read ISO 8601: a moment, or a day, which stands for its start; in the host's time zone.

    Raises:
        ArgumentTypeError: it is neither.
    """
    try:
        found = parse_datetime(text)
        day = None if found else parse_date(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: {err}") from err
    if found is None:
        if day is None:
            raise argparse.ArgumentTypeError(f"{text!r} is no date of ISO 8601")
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # made aware below
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def day(text: str) -> date:
    """Read a day of ISO 8601.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"{text!r} is no day of ISO 8601") from err
