"""What the networks should reach, and whether they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from benchmarks import page

AS_UPLOADS = "ours, restore and upscale"
"""The row of what an upload gets, which chooses between networks."""
BLURS = ("gauss1.2", "gauss1.6", "disk2", "motion7")
PSNR_GOALS: dict[tuple[str, str], tuple[float, float]] = {
    ("set5", "x2"): (37.2, 37.9),
    ("set5", "x3"): (33.3, 34.2),
    ("set5", "x4"): (31.0, 32.0),
    ("b100", "x2"): (31.80, 32.10),
    ("b100", "x3"): (28.65, 29.0),
    ("b100", "x4"): (27.2, 27.52),
    ("cbsd68", "sigma15"): (33.4, 33.9),
    ("cbsd68", "sigma25"): (30.7, 31.25),
    ("cbsd68", "sigma50"): (27.4, 27.95),
    ("live1", "q10"): (28.9, 29.2),
    ("live1", "q20"): (31.2, 31.6),
    ("live1", "q30"): (32.6, 33.0),
    ("live1", "q40"): (33.5, 34.0),
    ("cbsd68", "clean"): (42.0, 46.0),
    ("catalogue", "clean"): (42.0, 46.0),
}
"""(floor without a GPU, aim with one), dB."""
DEBLUR_GAIN_GOAL = (2.0, 3.5)
INT8_LOSS_GOAL = (0.10, 0.05)
COLOUR_GOAL = (0.3, 1.0)
"""Highest CIEDE2000 between downscaled result and input: mean and 95th percentile."""


@dataclass(frozen=True)
class Verdict:
    """One goal, and what was measured."""

    goal: str
    """What it is about."""
    method: str
    """Which network."""
    measured: float
    """In the unit of the goal."""
    floor: float
    """What has to be reached without a GPU."""
    aim: float
    """What should be reached with one."""
    less_is_better: bool = False
    """Whether the bars are upper limits."""

    @property
    def reached(self) -> str:
        """`aim`, `floor` or `missed`."""
        sign = -1 if self.less_is_better else 1
        if sign * self.measured >= sign * self.aim:
            return "aim"
        return "floor" if sign * self.measured >= sign * self.floor else "missed"


def verdicts(tables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare what was measured with the goals.

    Args:
        tables: figures by set, case and method.

    Returns:
        One entry per goal and network that was measured.
    """
    found = [*_psnr(tables), *_deblurring(tables), *_int8(tables), *_colour(tables)]
    return [{**asdict(verdict), "reached": verdict.reached} for verdict in found]


def _psnr(tables: Mapping[str, Any]) -> list[Verdict]:
    return [
        Verdict(f"{name} {case}, dB", method, _decibels(row), floor, aim)
        for (name, case), (floor, aim) in PSNR_GOALS.items()
        for method, row in _ours(tables, name, case)
    ]


def _deblurring(tables: Mapping[str, Any]) -> list[Verdict]:
    cases = {case: tables.get("cbsd68", {}).get(case) for case in BLURS}
    if not all(cases.values()):
        return []
    found = []
    for method, _ in _ours(tables, "cbsd68", BLURS[0]):
        gain = fmean(_decibels(rows[method]) - _decibels(rows["input"]) for rows in cases.values())
        goal = "cbsd68 deblurring, mean gain of four blurs, dB"
        found.append(Verdict(goal, method, round(gain, 4), *DEBLUR_GAIN_GOAL))
    return found


def _int8(tables: Mapping[str, Any]) -> list[Verdict]:
    found = []
    for name, cases in tables.items():
        for case, rows in cases.items():
            for method, row in rows.items():
                exact = rows.get(method.removesuffix(" int8"))
                if method.endswith(" int8") and exact and case != "clean":
                    loss = round(_decibels(exact) - _decibels(row), 4)
                    goal = f"{name} {case}, loss by int8, dB"
                    found.append(Verdict(goal, method, loss, *INT8_LOSS_GOAL, True))
    return found


def _colour(tables: Mapping[str, Any]) -> list[Verdict]:
    found = []
    for name, cases in tables.items():
        for case in cases:
            if not (case.startswith("x") or case == "clean"):
                continue
            for method, row in _ours(tables, name, case, repairs=True):
                for figure, words, bar in (
                    ("de00", "mean", COLOUR_GOAL[0]),
                    ("de00_p95", "95th percentile", COLOUR_GOAL[1]),
                ):
                    goal = f"{name} {case}, CIEDE2000, {words}"
                    found.append(Verdict(goal, method, row[figure], bar, bar, True))
    return found


def _ours(
    tables: Mapping[str, Any], name: str, case: str, *, repairs: bool = False
) -> list[tuple[str, Any]]:
    rows = tables.get(name, {}).get(case, {})
    return [
        (method, row)
        for method, row in rows.items()
        # What uploads get is also repaired, for which no goal has a reward.
        if method.startswith("ours") and (repairs or not _repairs(method))
    ]


def _repairs(method: str) -> bool:
    return "photo" in method or method == AS_UPLOADS


def _decibels(row: Mapping[str, float]) -> float:
    return row["psnr_y"] if "psnr_y" in row else row["psnr_rgb"]


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """Lay verdicts out as a table; colours only where a limit is broken."""
    if not found:
        return []
    shown = [one for one in found if "CIEDE2000" not in one["goal"] or one["reached"] == "missed"]
    rows = [
        [
            one["goal"],
            one["method"],
            f"{one['measured']:.2f}",
            f"{one['floor']:g}",
            f"{one['aim']:g}",
            one["reached"],
        ]
        for one in shown
    ]
    header = ["goal", "network", "measured", "floor", "aim", "reached"]
    colours = len([one for one in found if "CIEDE2000" in one["goal"]])
    kept = colours - len([one for one in shown if "CIEDE2000" in one["goal"]])
    return [
        "## Goals",
        "",
        *page.markdown_table(header, rows),
        "",
        f"Colours (CIEDE2000: mean at most {COLOUR_GOAL[0]}, 95th percentile at most "
        f"{COLOUR_GOAL[1]}): kept in {kept} of {colours} cases; the others are listed. "
        "These are the networks' own results, pixel by pixel, and what the photo flavour repairs "
        "counts as a shift. What a worker makes of uploads, in areas of 32 pixels and with the "
        "colour gate, is in colour.md.",
    ]
