"""What the review page says about a variant, in the order in which a reviewer asks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from shopimg import reasons
from shopimg.admin.labels import (
    BLUR_LABELS,
    FIGURE_LABELS,
    FLAVOUR_LABELS,
    SOURCE_TYPE_LABELS,
    STEP_LABELS,
    STYLE_LABELS,
    UPLOAD_LABELS,
)
from shopimg.contract.steps.scene import PICTURE, PLAIN
from shopimg.models import EnhancedVariant
from shopimg.reasons import COLOUR_MEANING, COLOUR_WORST_MEANING, LIMITS, Limit, ReviewReason

CONFIDENCE = "cutout_confidence"
"""The figure that says whether the picture shows the right thing at all."""
DIGEST_CHARACTERS = 12
"""How much of a sha256 people compare by eye."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the review page."""

    label: str
    """What it is."""
    value: str
    """How much."""
    level: str = ""
    """``ok``, ``warn``, ``bad``, or empty where there is nothing to judge."""
    detail: str = ""
    """The whole of a value that is shown in part, or what a figure means."""
    bound: str = ""
    """The limit that the value is held against, such as ``≥ 80 %``."""


_UNJUDGED_MEANINGS: Mapping[str, Any] = {
    "colour_shift_mean_uncorrected": COLOUR_MEANING,
    "colour_shift_p95_uncorrected": COLOUR_WORST_MEANING,
}

_SCENERY = ("cutout_", "pixel_lock_", "white_", "frame_")
"""How the names of figures about a cut-out and its surroundings start, as they are shown."""
_SHARES = ("cutout_share", "frame_fill", "frame_width", "frame_height")
_UNSHOWN = ("pixel_lock_p50", "pixel_lock_max")


def warnings(variant: EnhancedVariant) -> list[Fact]:
    """Return what to look at first: every figure above its limit, each advice once."""
    return [
        _warning(reason, name, variant.quality[name])
        for reason, name in reasons.beyond(variant.quality).items()
    ]


def mark(variants: Iterable[EnhancedVariant]) -> str:
    """Say in short what to look at first in any of some variants; empty where there is nothing."""
    found: dict[ReviewReason, str] = {}
    for variant in variants:
        for reason, name in reasons.beyond(variant.quality).items():
            found.setdefault(reason, _advice(reason, name, variant.quality[name]))
    if not found:
        return ""
    first, *others = found.values()
    if not others:
        return first
    text = ngettext("%(first)s, and %(number)d more", "%(first)s, and %(number)d more", len(others))
    return text % {"first": first, "number": len(others)}


def _warning(reason: ReviewReason, name: str, value: float) -> Fact:
    advice = _advice(reason, name, value)
    if name == CONFIDENCE:
        return Fact(advice, str(reason.label), "bad")
    return Fact(advice, _figure(LIMITS[name], value), "warn")


def _advice(reason: ReviewReason, name: str, value: float) -> str:
    if name != CONFIDENCE:
        return str(reason.label)
    doubt = _("The cut-out is probably wrong") if value < 0.5 else _("The cut-out may be wrong")
    share = _number(LIMITS[name], value)
    return _("%(doubt)s (confidence %(share)s)") % {"doubt": doubt, "share": share}


def sizes(variant: EnhancedVariant) -> list[Fact]:
    """Return pixels and bytes, before and after."""
    job = variant.job
    before, after = (job.source_width, job.source_height), (variant.width, variant.height)
    return [
        Fact(_("Pixels"), change(pixels(*before), pixels(*after))),
        Fact(
            _("File"), change(filesizeformat(job.source_bytes), filesizeformat(variant.size_bytes))
        ),
        Fact(_("Format"), variant.mime_type.removeprefix("image/").upper()),
    ]


def figures(variant: EnhancedVariant) -> list[Fact]:
    """Return what was measured of the result, judged where there is a limit."""
    shown = {
        name: value
        for name, value in variant.quality.items()
        if name not in UPLOAD_LABELS and not name.startswith(_SCENERY)
    }
    if not shown.pop("colour_corrected", 1):
        # Nothing was corrected: before and after are the same figures.
        shown = {name: value for name, value in shown.items() if not name.endswith("_uncorrected")}
    measured = {name: value for name, value in sorted(shown.items()) if value is not None}
    drawn_again = [measured.pop(f"text_edges_{which}", None) for which in ("unguarded", "guarded")]
    facts = [_measured(name, value) for name, value in measured.items()]
    if None not in drawn_again:
        before, after = (number_format(value, 3) for value in drawn_again)
        facts.append(Fact(_("Strokes of text drawn again"), change(before, after)))
    return facts


def scenery(variant: EnhancedVariant) -> list[Fact]:
    """Return what was measured of the cut-out, of the product inside it and of what is around."""
    found = sorted(variant.quality.items())
    facts = [
        _measured(name, value)
        for prefix in _SCENERY
        for name, value in found
        if name.startswith(prefix) and name not in _UNSHOWN and value is not None
    ]
    if "pixel_lock_p95" in variant.quality:
        # Without that there would be no variant.
        compared = _("Compared one by one before the file was written")
        facts.insert(0, Fact(_("Pixels inside the product"), _("identical"), "ok", compared))
    return facts


def upload(variant: EnhancedVariant) -> list[Fact]:
    """Return what the worker has estimated of the upload; says nothing about the result."""
    estimates = [(label, variant.quality.get(name)) for name, label in UPLOAD_LABELS.items()]
    return [
        Fact(str(label), number_format(round(value, 3)))
        for label, value in estimates
        if value is not None
    ]


def steps(variant: EnhancedVariant) -> list[Fact]:
    """Return what was done, with the seconds that each step took."""
    return [
        Fact(_step_label(operation), seconds(operation.get("seconds")))
        for operation in variant.provenance.get("operations", [])
    ]


def provenance(variant: EnhancedVariant) -> Iterator[Fact]:
    """Yield where the file comes from: statement, recipe, weights, digests."""
    source_type = str(variant.provenance.get("digital_source_type", "")).rpartition("/")[2]
    if source_type:
        label = SOURCE_TYPE_LABELS.get(source_type, source_type)
        yield Fact(_("Says of itself"), str(label), detail=source_type)
    for name, digest in sorted(variant.provenance.get("weights", {}).items()):
        yield _digest(_("Weights %(name)s") % {"name": name}, digest)
    yield _digest(_("Recipe fingerprint"), variant.job.fingerprint)
    yield _digest(_("Upload, sha256"), variant.job.source_digest)
    yield _digest(_("Result, sha256"), variant.digest)


def pixels(width: int, height: int) -> str:
    """Write a size such as ``800 × 600``; an upload that could not be read has none."""
    return f"{width} × {height}" if width and height else "?"  # a times sign


def change(before: str, after: str) -> SafeString:
    """Write what became of a figure: from left to right in every language, as the arrow points."""
    return format_html(
        '<span class="shopimg-change" dir="ltr"><bdi>{}</bdi> <span>→ <bdi>{}</bdi></span></span>',
        before,
        after,
    )


def _measured(name: str, value: float) -> Fact:
    limit = LIMITS.get(name)
    if limit is None:
        label = FIGURE_LABELS.get(name, name.replace("_", " ").capitalize())
        detail = str(_UNJUDGED_MEANINGS.get(name, ""))
        number = _percent(100 * value) if name in _SHARES else number_format(round(value, 3))
        return Fact(str(label), number, detail=detail)
    level = "ok" if limit.holds(value) else "warn"
    return Fact(str(limit.label), _number(limit, value), level, str(limit.meaning), _held(limit))


def _held(limit: Limit) -> str:
    signs = (("≤", limit.largest), ("≥", limit.smallest))
    return ", ".join(f"{sign}\u00a0{_bound(limit, one)}" for sign, one in signs if one is not None)


def _figure(limit: Limit, value: float) -> str:
    return f"{limit.label}: {_number(limit, value)}"


def _bound(limit: Limit, value: float) -> str:
    return _number(limit, value) if limit.is_share else str(number_format(value))


def _number(limit: Limit, value: float) -> str:
    if limit.is_share:
        # Rounded down: nothing below its limit is written as if it had reached it.
        parts = math.floor(round(value * 10**limit.digits, 6))
        return _percent(parts / 10 ** (limit.digits - 2), limit.digits - 2)
    return str(number_format(round(value, limit.digits)))


def _percent(value: float, digits: int = 0) -> str:
    # No line ends before the sign.
    return _("%(percent)s\u00a0%%") % {"percent": number_format(round(value, digits), digits)}


def _step_label(operation: Mapping[str, Any]) -> str:
    name = str(operation.get("name", ""))
    label = str(STEP_LABELS.get(name, name.capitalize()))
    if operation.get("skipped"):
        return _("%(step)s: not needed") % {"step": label}
    if operation.get("corrected"):
        return _("%(step)s: corrected") % {"step": label}
    if operation.get("mask"):
        return _("%(step)s: by a corrected mask") % {"step": label}
    if "seed" in operation and operation.get("generator") not in {PLAIN, PICTURE}:
        seed = _("seed %(seed)s") % {"seed": operation["seed"]}
        return ", ".join(filter(None, [label, _style(operation), seed]))
    if operation.get("scale") or operation.get("to"):
        return _scaled(label, operation)
    if "strength" in operation:
        return _restored(label, operation)
    return label


def _scaled(label: str, operation: Mapping[str, Any]) -> str:
    """Say how large the picture, or the product in its frame, was made."""
    scale, target = operation.get("scale"), operation.get("to")
    if operation["name"] == "frame":
        return _("%(step)s, at %(percent)s of its size") % {
            "step": label,
            "percent": _percent(100 * (scale or 1)),
        }
    if scale:
        enlarged = f"{label} ×{scale}"  # a times sign
    else:
        enlarged = _("%(step)s to %(pixels)d pixels") % {"step": label, "pixels": target}
    return ", ".join([enlarged, *_detail(operation)])


def _restored(label: str, operation: Mapping[str, Any]) -> str:
    """Say what was taken out, and how much of it."""
    blur = operation.get("deblurred")
    if blur:
        kind = BLUR_LABELS.get(blur["kind"], blur["kind"])
        size = number_format(blur["size"])
        label = _("Take out %(blur)s of %(size)s pixels") % {"blur": kind, "size": size}
    percent = round(100 * operation["strength"])
    return _("%(step)s, %(percent)d %%") % {"step": label, "percent": percent}


def _style(operation: Mapping[str, Any]) -> str:
    style = str(operation.get("style", ""))
    return str(STYLE_LABELS.get(style, style.replace("_", " ")))


def _detail(operation: Mapping[str, Any]) -> Iterator[str]:
    """Say which flavours of networks drew the detail, and how much of it was kept."""
    strength = operation.get("strength", 1)
    if strength == 0:
        yield _("resampled")
        return
    for flavour in filter(None, operation.get("flavour", "").split(", ")):
        yield str(FLAVOUR_LABELS.get(flavour, flavour))
    if strength < 1:
        yield _("%(percent)d %%") % {"percent": round(100 * strength)}


def seconds(value: float | None, digits: int = 2) -> str:
    """Write how long something took; nothing where that is not known."""
    if value is None:
        return ""
    return _("%(seconds)s\u00a0s") % {"seconds": number_format(value, digits)}


def _digest(label: str, digest: str) -> Fact:
    return Fact(label, digest[:DIGEST_CHARACTERS], detail=digest)
