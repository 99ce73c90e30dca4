"""What others have written, in a table that a spreadsheet opens."""

from __future__ import annotations

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula, also after what it strips.

    >>> harmless("=1+1"), harmless("mug"), harmless(-1)
    ("'=1+1", 'mug', -1)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
