"""What the review page says about a variant, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shopimg.models import EnhancedVariant

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
    """``ok``, ``warn``, or empty where there is nothing to judge."""
    detail: str = ""
    """The whole of a value that is shown in part."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A measured figure that we can judge."""

    label: Any
    """What it is."""
    largest: float
    """Up to this value there is nothing to look at."""
    look_at: Any
    """What the reviewer should look at when the value is larger."""


# One unit of CIEDE2000 is about the smallest difference that people see side by side.
LIMITS: Mapping[str, Limit] = {
    "colour_shift_mean": Limit(
        gettext_lazy("Colour shift, mean"), 1.0, gettext_lazy("Look at the colours")
    ),
    "colour_shift_p95": Limit(
        gettext_lazy("Colour shift, p95"), 2.0, gettext_lazy("Look at the colours")
    ),
}

STEP_LABELS: Mapping[str, Any] = {
    "decode": gettext_lazy("Read"),
    "restore": gettext_lazy("Remove noise and artefacts"),
    "upscale": gettext_lazy("Enlarge"),
    "encode": gettext_lazy("Write"),
}

SOURCE_TYPE_LABELS: Mapping[str, Any] = {
    "algorithmicallyEnhanced": gettext_lazy("Enhanced by an algorithm"),
    "compositeWithTrainedAlgorithmicMedia": gettext_lazy("Partly generated"),
    "trainedAlgorithmicMedia": gettext_lazy("Generated"),
    "digitalCapture": gettext_lazy("Taken by a camera"),
}


def warnings(variant: EnhancedVariant) -> list[Fact]:
    """Return what to look at first: every figure above its limit, each advice once."""
    found: dict[str, Fact] = {}
    for name, limit in LIMITS.items():
        value = variant.quality.get(name)
        if value is not None and value > limit.largest:
            found[str(limit.look_at)] = Fact(str(limit.look_at), _figure(limit, value))
    return list(found.values())


def sizes(variant: EnhancedVariant) -> list[Fact]:
    """Return pixels and bytes, before and after."""
    job = variant.job
    before, after = (job.source_width, job.source_height), (variant.width, variant.height)
    return [
        Fact(_("Pixels"), f"{pixels(*before)} → {pixels(*after)}"),
        Fact(
            _("File"), f"{filesizeformat(job.source_bytes)} → {filesizeformat(variant.size_bytes)}"
        ),
        Fact(_("Format"), variant.mime_type.removeprefix("image/").upper()),
    ]


def figures(variant: EnhancedVariant) -> list[Fact]:
    """Return what was measured, judged where there is a limit."""
    return [_measured(name, value) for name, value in sorted(variant.quality.items())]


def steps(variant: EnhancedVariant) -> list[Fact]:
    """Return what was done, with the seconds that each step took."""
    return [
        Fact(_step_label(operation), _seconds(operation.get("seconds")))
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


def _measured(name: str, value: float) -> Fact:
    limit = LIMITS.get(name)
    if limit is None:
        return Fact(name.replace("_", " ").capitalize(), number_format(round(value, 3)))
    level = "ok" if value <= limit.largest else "warn"
    return Fact(str(limit.label), number_format(round(value, 2)), level)


def _figure(limit: Limit, value: float) -> str:
    return f"{limit.label}: {number_format(round(value, 2))}"


def _step_label(operation: Mapping[str, Any]) -> str:
    name = str(operation.get("name", ""))
    label = str(STEP_LABELS.get(name, name.capitalize()))
    if operation.get("skipped"):
        return _("%(step)s: not needed") % {"step": label}
    if operation.get("scale"):
        return f"{label} ×{operation['scale']}"  # a times sign
    if operation.get("to"):
        return _("%(step)s to %(pixels)d pixels") % {"step": label, "pixels": operation["to"]}
    if "strength" in operation:
        percent = round(100 * operation["strength"])
        return _("%(step)s, %(percent)d %%") % {"step": label, "percent": percent}
    return label


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return _("%(seconds)s s") % {"seconds": number_format(value, 2)}


def _digest(label: str, digest: str) -> Fact:
    return Fact(label, digest[:DIGEST_CHARACTERS], detail=digest)
