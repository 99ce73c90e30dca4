"""Writes an audit for people (table), spreadsheets (CSV), programs (JSON) and CI (JUnit)."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from django.utils import timezone

from shopimg.presets.checking import Finding, Status
from shopimg.services.audits import Audit, Audited
from shopimg.spreadsheets import harmless

_LISTED = (Status.WARN, Status.FAIL, Status.UNKNOWN)
_COLUMNS = (
    "model", "id", "file", "published", "rule", "severity", "status", "value", "wanted",
    "message", "source",
)  # fmt: skip
READABLE = "readable"
"""What every picture has to be before any rule is asked; the rule of files with a problem."""


class Out(Protocol):
    """Where a report goes."""

    def write(self, text: str, /) -> object:
        """Take some text."""


class Tally:
    """Counts images by their worst finding, and findings by rule."""

    def __init__(self) -> None:
        self.images: Counter[Status] = Counter()
        self.rules: dict[str, Counter[Status]] = {}
        self.incomplete = 0
        """Images of which some rule could not be measured, whatever the others say."""

    def add(self, audited: Audited) -> None:
        """Count one image."""
        self.images[audited.status] += 1
        self.incomplete += any(found.status is Status.UNKNOWN for found in audited.findings)
        if audited.problem:
            self._count(READABLE, Status.FAIL)
        for found in audited.findings:
            self._count(found.rule.id, found.status)

    def _count(self, rule: str, status: Status) -> None:
        self.rules.setdefault(rule, Counter())[status] += 1


class Report(Protocol):
    """One way to write an audit."""

    def add(self, audited: Audited) -> None:
        """Take one image, in order."""

    def finish(self, tally: Tally) -> None:
        """Write what is left."""


class TableReport:
    """Lists what is not as it should be, image by image, then the counts."""

    def __init__(self, out: Out, audit: Audit, failing: frozenset[Status]) -> None:
        self._out, self._audit = out, audit

    def add(self, audited: Audited) -> None:
        """Write an image at once, unless all is well with it."""
        lines = [f"  {READABLE:17} fail     {audited.problem}"] if audited.problem else []
        lines += [
            f"  {found.rule.id:17} {found.status:8} {found.message}"
            for found in audited.findings
            if found.status in _LISTED
        ]
        if lines:
            self._write(f"{_label(audited)} {audited.image.pk}, {_shown(audited)} {audited.file}")
        for line in lines:
            self._write(line)

    def finish(self, tally: Tally) -> None:
        """Write the counts."""
        title, day = self._audit.preset.title, self._audit.day
        number = tally.images.total()
        self._write(
            f"{title}, rules of {day}: {number} images by their worst rule: {_counts(tally)}."
        )
        if tally.incomplete:
            unknown = sum(counts[Status.UNKNOWN] for counts in tally.rules.values())
            self._write(
                f"Not measured: {unknown} of the findings, in {tally.incomplete} of the images."
            )
        self._write("  rule              " + "".join(f"{status:>9}" for status in Status))
        for rule, counts in tally.rules.items():
            self._write(f"  {rule:18}" + "".join(f"{counts[status]:9}" for status in Status))

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")


class CsvReport:
    """One row per image and rule."""

    def __init__(self, out: Out, audit: Audit, failing: frozenset[Status]) -> None:
        self._rows = csv.DictWriter(out, _COLUMNS)
        self._rows.writeheader()

    def add(self, audited: Audited) -> None:
        """Write an image at once."""
        for entry in _entries(audited):
            row = _image(audited) | entry
            self._rows.writerow({name: harmless(cell) for name, cell in row.items()})

    def finish(self, tally: Tally) -> None:
        """Do nothing: a spreadsheet counts by itself."""


class JsonReport:
    """One object: what was audited, all images with all findings, the counts."""

    def __init__(self, out: Out, audit: Audit, failing: frozenset[Status]) -> None:
        self._out, self._audit = out, audit
        self._images: list[dict[str, Any]] = []

    def add(self, audited: Audited) -> None:
        """Keep an image."""
        findings = _entries(audited)
        self._images.append(
            {**_image(audited), "status": audited.status, "findings": findings},
        )

    def finish(self, tally: Tally) -> None:
        """Write everything."""
        audit = self._audit
        document = {
            "preset": audit.preset.name,
            "day": audit.day.isoformat(),
            "role": audit.role,
            "main": audit.is_main,
            "images": self._images,
            "summary": {
                "images": {status: tally.images[status] for status in Status},
                "rules": {
                    rule: {status: counts[status] for status in Status}
                    for rule, counts in tally.rules.items()
                },
            },
        }
        self._out.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


class JunitReport:
    """One test case per image and rule, as CI systems read them.

    What counts as a finding by ``--fail-on`` is a failure, a file that cannot be measured an
    error, what is not known skipped; a warning that does not count is said in ``system-out``.
    """

    def __init__(self, out: Out, audit: Audit, failing: frozenset[Status]) -> None:
        self._out, self._audit, self._failing = out, audit, failing
        self._cases: list[ET.Element] = []
        self._started = timezone.now()

    def add(self, audited: Audited) -> None:
        """Keep an image."""
        for entry in _entries(audited):
            case = ET.Element(
                "testcase",
                classname=f"{self._audit.preset.name}.{_label(audited)}",
                name=_clean(f"{audited.image.pk} {audited.file}: {entry['rule']}"),
                time="0",
            )
            self._judge(case, audited, entry)
            self._cases.append(case)

    def finish(self, tally: Tally) -> None:
        """Write everything."""
        counts = Counter(child.tag for case in self._cases for child in case)
        suite = ET.Element(
            "testsuite",
            name=f"shopimg_audit.{self._audit.preset.name}",
            tests=str(len(self._cases)),
            failures=str(counts["failure"]),
            errors=str(counts["error"]),
            skipped=str(counts["skipped"]),
            timestamp=self._started.replace(microsecond=0, tzinfo=None).isoformat(),
            time=f"{(timezone.now() - self._started).total_seconds():.3f}",
        )
        suite.extend(self._cases)
        root = ET.Element("testsuites")
        root.append(suite)
        ET.indent(root)
        self._out.write("<?xml version='1.0' encoding='utf-8'?>\n")
        self._out.write(ET.tostring(root, encoding="unicode") + "\n")

    def _judge(self, case: ET.Element, audited: Audited, entry: Mapping[str, Any]) -> None:
        message = _clean(str(entry["message"]))
        if audited.problem:
            ET.SubElement(case, "error", message=message, type=READABLE)
        elif entry["status"] is Status.UNKNOWN:
            ET.SubElement(case, "skipped", message=message)
        elif entry["status"] in self._failing:
            failure = ET.SubElement(case, "failure", message=message, type=str(entry["severity"]))
            failure.text = f"Source: {entry['source']}"
        elif entry["status"] is not Status.PASS:
            ET.SubElement(case, "system-out").text = f"{entry['status']}: {message}"


REPORTS: Mapping[str, Callable[[Out, Audit, frozenset[Status]], Report]] = {
    "table": TableReport,
    "json": JsonReport,
    "csv": CsvReport,
    "junit": JunitReport,
}
"""By the name that ``--format`` takes: where to write, what is audited, what counts as failing."""


def _entries(audited: Audited) -> list[dict[str, Any]]:
    """Return one entry per finding; the problem of a file stands for all of them."""
    if not audited.problem:
        return [_entry(found) for found in audited.findings]
    return [
        {
            "rule": READABLE,
            "severity": "error",
            "status": Status.FAIL,
            "value": None,
            "wanted": "a picture that can be read",
            "message": audited.problem,
            "source": "",
        }
    ]


def _entry(found: Finding) -> dict[str, Any]:
    return {
        "rule": found.rule.id,
        "severity": found.rule.severity,
        "status": found.status,
        "value": found.value,
        "wanted": found.wanted,
        "message": found.message,
        "source": found.rule.source,
    }


def _image(audited: Audited) -> dict[str, Any]:
    return {
        "model": _label(audited),
        "id": str(audited.image.pk),
        "file": audited.file,
        "published": audited.is_published,
    }


def _label(audited: Audited) -> str:
    return audited.image._meta.label


def _shown(audited: Audited) -> str:
    return "published" if audited.is_published else "original"


def _counts(tally: Tally) -> str:
    return ", ".join(f"{tally.images[status]} {status}" for status in Status)


def _clean(text: str) -> str:
    """Leave out what no XML file may contain, which a storage may have in a file name."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
