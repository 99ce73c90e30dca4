"""``manage.py shopimg_audit``: hold the catalogue against the rules of a marketplace."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from shopimg.contract import CapacityError, RecipeError
from shopimg.management.audit_reports import REPORTS, Tally
from shopimg.management.interruption import Interruption, interruptible
from shopimg.management.moments import day
from shopimg.management.numbers import positive
from shopimg.management.reporting import UNFINISHED, ReportingCommand
from shopimg.presets.checking import Status
from shopimg.presets.markets import PRESETS, get_preset
from shopimg.presets.rules import Preset
from shopimg.presets.wording import NAMES, say_wanted, say_when
from shopimg.services import audits
from shopimg.services.audits import Audit, Audited

FOUND, USAGE = 1, 2
"""Exit codes: something counts by ``--fail-on``; a wrong option."""

_FAILING = {
    "error": frozenset({Status.FAIL}),
    "warn": frozenset({Status.FAIL, Status.WARN}),
    "never": frozenset[Status](),
}
"""What counts, by ``--fail-on``."""


class Command(ReportingCommand):
    """Measure what shoppers see, say what a market would say of it, and queue what mends it."""

    help = (
        "Measure every image as the storefront shows it, and compare it with the dated rules of a "
        "marketplace. Exit code 1 when something counts by --fail-on, 2 for a wrong option, 3 when "
        "the audit did not come to its end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--preset", default="", help=f"market: {', '.join(PRESETS)}")
        parser.add_argument("--list", action="store_true", help="presets, rules, dates and sources")
        parser.add_argument("--on", type=day, help="by the rules of a day, ISO 8601; today")
        parser.add_argument("--model", help="app.Model; every watched model by default")
        parser.add_argument("--role", help="role to look at; what storefronts show by default")
        parser.add_argument(
            "--additional", action="store_true", help="leave out the rules for main images"
        )
        parser.add_argument(
            "--group-by", default="", help="field that images of one product share, to count them"
        )
        parser.add_argument("--limit", type=positive, help="most images")
        parser.add_argument("--fail-on", choices=_FAILING, default="error", help="exit code 1 on")
        parser.add_argument("--format", choices=REPORTS, default="table")
        parser.add_argument(
            "--fix", action="store_true", help="queue a recipe for what counts by --fail-on"
        )
        parser.add_argument("--recipe", default="", help="recipe to fix with; the preset's own")
        parser.add_argument("--dry-run", action="store_true", help="with --fix: only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, or audit and optionally fix."""
        try:
            if options["list"]:
                self._list(options["preset"])
                return
            audit = _audit(options)
            fixes = _Fixes(audit, options)
            total = audits.count(audit)
        except (LookupError, RecipeError) as err:
            raise CommandError(err.args[0], returncode=USAGE) from err
        with interruptible() as interruption:
            try:
                tally = self._run(audit, fixes, options, interruption, total)
            except KeyboardInterrupt:
                raise CommandError(f"Interrupted. {fixes}", returncode=UNFINISHED) from None
            except CapacityError as err:
                raise CommandError(f"{err} {fixes}", returncode=UNFINISHED) from err
        if options["fix"] and not self.is_silent:
            self.stderr.write(str(fixes))
        _judge(audit, tally, options["fail_on"])

    def _run(
        self,
        audit: Audit,
        fixes: _Fixes,
        options: dict[str, Any],
        interruption: Interruption,
        total: int,
    ) -> Tally:
        report = REPORTS[options["format"]](self.stdout, audit, _FAILING[options["fail_on"]])
        tally = Tally()
        # Where both go to one terminal, the lines of the table say how far it is.
        beside = options["format"] == "table" and self.stdout.isatty()
        hidden = beside or self.is_silent
        with click.progressbar(
            length=total, label="Measuring", file=sys.stderr, hidden=hidden, show_pos=True
        ) as bar:
            for batch in audits.run(audit):
                for audited in batch:
                    tally.add(audited)
                    report.add(audited)
                fixes.add(batch)
                bar.update(len(batch))
                interruption.check()
        report.finish(tally)
        return tally

    def _list(self, name: str) -> None:
        for preset in [get_preset(name)] if name else PRESETS.values():
            about = f"{preset.title}, collected on {preset.as_of}, --fix queues {preset.fix}"
            self.stdout.write(f"{preset.name}: {about}")
            for rule in preset.rules:
                limits = ["main image" if rule.only_main else "", say_when(rule)]
                asks = ", ".join([say_wanted(rule), *filter(None, limits)])
                self.stdout.write(f"  {rule.id:17} {rule.severity:6} {NAMES[rule.fact]}: {asks}")
                self.stdout.write(f"{'':27}{rule.source}")
            for line in preset.not_measured:
                self.stdout.write(f"  not measured: {line}")


class _Fixes:
    """Queues the fixing recipe for what counts, or only counts it."""

    def __init__(self, audit: Audit, options: dict[str, Any]) -> None:
        self._recipe = audits.fixing_recipe(audit, options["recipe"]) if options["fix"] else None
        if self._recipe is None and (options["recipe"] or options["dry_run"]):
            raise LookupError("--recipe and --dry-run are about --fix.")
        self._beyond = audits.beyond_fixing(audit, options["recipe"])
        self._role = audits.role_to_look_at(audit, self._recipe) if self._recipe else ""
        # Also where nothing is to end with an exit code: somebody has asked to mend what fails.
        self._statuses = _FAILING[options["fail_on"]] or _FAILING["error"]
        self._dry_run = options["dry_run"]
        self._wanted = self._queued = self._left = 0

    def add(self, batch: Sequence[Audited]) -> None:
        """Take a batch of images.

        Raises:
            CapacityError: the storage is down.
        """
        if self._recipe is None:
            return
        images = [one.image for one in batch if one.is_fixable(self._statuses, self._beyond)]
        self._wanted += len(images)
        self._left += sum(one.status in self._statuses for one in batch) - len(images)
        if images and not self._dry_run:
            self._queued += audits.queue_fixes(images, self._recipe)

    def __str__(self) -> str:
        if self._recipe is None:
            return ""
        name, before = self._recipe.name, self._wanted - self._queued
        if self._dry_run:
            said = f"The recipe {name} would be asked for {_some(self._wanted, 'image')}."
        else:
            queued = _some(self._queued, "job")
            said = f"{queued} of {name} queued, {before} had been asked for before."
        if self._left:
            said += f" For {_some(self._left, 'image')} it takes a person: see the report."
        # The storefront goes on to show another role until a template asks for this one.
        return f"{said} Audit what it makes with --role {self._role}." if self._role else said


def _some(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _audit(options: dict[str, Any]) -> Audit:
    if not options["preset"]:
        raise LookupError(f"Name a market with --preset: {', '.join(PRESETS)}.")
    preset: Preset = get_preset(options["preset"])
    return Audit(
        preset=preset,
        day=options["on"] or timezone.localdate(),
        model=options["model"],
        role=options["role"],
        is_main=not options["additional"],
        group_by=options["group_by"],
        limit=options["limit"],
    )


def _judge(audit: Audit, tally: Tally, fail_on: str) -> None:
    """End with the exit code for findings where there are any that count."""
    bad = sum(tally.images[status] for status in _FAILING[fail_on])
    if bad:
        raise CommandError(
            f"{bad} of {_some(tally.images.total(), 'image')} {'misses' if bad == 1 else 'miss'} "
            f"rules of {audit.preset.title}.",
            returncode=FOUND,
        )
