"""What the commands have in common: output that may be silenced, or read only in part."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

UNFINISHED = 3
"""Exit code where a command did not come to its end."""


class _ReaderGoneError(Exception):
    """Whatever reads the standard output has ended; no error of a storage or a broker."""


class _Piped:
    """The standard output, with an error of its own for a pipe that nobody reads any more."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def write(self, text: str) -> Any:
        """Write, like a file."""
        with _noticing():
            return self._out.write(text)

    def flush(self) -> None:
        """Write what waits in the buffer."""
        with _noticing():
            self._out.flush()


@contextmanager
def _noticing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as err:
        raise _ReaderGoneError from err


class ReportingCommand(BaseCommand):
    """Says nothing but errors with ``--verbosity 0``, and ends when nobody reads any more."""

    is_silent = False
    """Whether progress bars and what goes to the standard error are hidden, too."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command.

        Raises:
            CommandError: as the command, or whatever reads the output (such as ``head``) has ended.
        """
        self.is_silent = not options["verbosity"]
        with ExitStack() as stack:
            if self.is_silent:
                options["stdout"] = stack.enter_context(open(os.devnull, "w"))  # noqa: PTH123
            if options.get("stdout") is not None:
                return super().execute(*args, **options)
            return self._to_standard_output(super().execute, *args, **options)

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Run the system checks; where nothing is to be said, only errors are."""
        if not self.is_silent:
            super().check(*args, **kwargs)
            return
        stderr, self.stderr = self.stderr, self.stdout
        try:
            super().check(*args, **kwargs)
        finally:
            self.stderr = stderr

    def _to_standard_output(
        self, execute: Callable[..., str | None], *args: Any, **options: Any
    ) -> str | None:
        options["stdout"] = _Piped(sys.stdout)
        try:
            try:
                return execute(*args, **options)
            finally:
                # What waits in the buffer would break the pipe when nobody can catch it any more.
                self.stdout.flush()
        except _ReaderGoneError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Nobody reads the output.", returncode=UNFINISHED) from None
