"""What the system checks complain about."""

from __future__ import annotations

from shopimg import checks


def complaints() -> list[str | None]:
    """Run all checks; the ids of their messages."""
    return [message.id for message in checks.run_all()]
