"""What the commands have in common: output that may be silenced, or read only in part."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

UNFINISHED = 3
"""Exit code where a command did not come to its end."""


class ReportingCommand(BaseCommand):
    """Says nothing but errors with ``--verbosity 0``, and ends when nobody reads any more."""

    is_silent = False
    """Whether progress bars are hidden, too."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command.

        Raises:
            CommandError: as the command, or whatever reads the output (such as ``head``) has ended.
        """
        self.is_silent = not options["verbosity"]
        if not self.is_silent:
            return self._execute(*args, **options)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device, not a file
            return self._execute(*args, **{**options, "stdout": nowhere})

    def _execute(self, *args: Any, **options: Any) -> str | None:
        try:
            try:
                return super().execute(*args, **options)
            finally:
                # What waits in the buffer would break the pipe when nobody can catch it any more.
                self.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Nobody reads the output.", returncode=UNFINISHED) from None
