"""Writes the presets as a page: ``python -m shopimg.presets.reference > docs/...``."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from shopimg.presets.markets import PRESETS
from shopimg.presets.rules import Preset, Rule, Target
from shopimg.presets.wording import NAMES, say_wanted, say_when

_INTRODUCTION = """# Marketplace presets

The rules that `manage.py shopimg_audit` and recipes go by; [how to use
them](../how-to/marketplaces.md). This page is written by `python -m shopimg.presets.reference` from
the data in `shopimg/presets/markets.py`, and a test compares the two.

`error` means that the market refuses or hides the picture, `warn` that it advises against it.
*Third parties* are guides that agree with each other, where we have seen no page of the market
itself. Limits are inclusive, and a rule that begins on a day holds on that day. Markets change
their rules: look at the day of the collection before you rely on a number.
"""


def page() -> str:
    """Return the whole page, in Markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, PRESETS.values())])


def _section(preset: Preset) -> str:
    lines = [
        f"## {preset.title}",
        "",
        f"`{preset.name}`, collected on {preset.as_of}. `--fix` queues `{preset.fix}`. "
        f"{_aim(preset.target)}",
        "",
        "| rule | severity | asks for | about | holds | source |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_row, preset.rules),
        "",
    ]
    if preset.not_measured:
        lines += [f"Not measured: {'; '.join(preset.not_measured)}.", ""]
    return "\n".join(lines)


def _aim(aim: Target) -> str:
    file = f"{aim.format.upper()} of quality {aim.quality}"
    if not aim.side:
        return f"A role that names it leaves frame and product as they are, and makes {file}."
    ground = f" on {aim.colour}" if aim.colour else ""
    return (
        f"A role that names it and is cut out makes {aim.side} x {aim.side} pixels, filled to "
        f"{aim.fill * 100:.0f} %{ground}, as {file}."
    )


def _row(rule: Rule) -> str:
    asks = f"{NAMES[rule.fact]}: {say_wanted(rule)}"
    about = "main image" if rule.only_main else "every image"
    cells = [f"`{rule.id}`", rule.severity, asks, about, say_when(rule) or "always", _source(rule)]
    return f"| {' | '.join(cells)} |"


def _source(rule: Rule) -> str:
    host = urlsplit(rule.source).hostname
    return f"[{host}]({rule.source})" if host else rule.source


if __name__ == "__main__":
    sys.stdout.write(page())
