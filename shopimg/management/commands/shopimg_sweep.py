"""``manage.py shopimg_sweep``: repair once what crashes and lost messages left behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shopimg.management.reporting import ReportingCommand
from shopimg.services import sweeping


class Command(ReportingCommand):
    """Run the sweeper once; beat does the same every few seconds."""

    help = (
        "Take back the jobs of dead workers, queue images that have no job, and send lost "
        "messages again. Safe to run at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep and say what was done."""
        for name, number in asdict(sweeping.sweep()).items():
            self.stdout.write(f"{name.replace('_', ' ')}: {number}")
