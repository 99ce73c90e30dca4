"""What people call steps, figures, styles and sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy

from shopimg.contract.steps.scene import BRAND

STYLE_LABELS: Mapping[str, Any] = {
    "studio_white": gettext_lazy("Studio, white"),
    "studio_gradient": gettext_lazy("Studio, gradient"),
    "cove": gettext_lazy("Cove"),
    "wood_table": gettext_lazy("Wooden table"),
    "marble": gettext_lazy("Marble"),
    "concrete": gettext_lazy("Concrete"),
    "fabric": gettext_lazy("Fabric"),
    "interior_bokeh": gettext_lazy("Room, out of focus"),
    "outdoor_bokeh": gettext_lazy("Outdoors, out of focus"),
    BRAND: gettext_lazy("The shop's own"),
}

STEP_LABELS: Mapping[str, Any] = {
    "decode": gettext_lazy("Read"),
    "restore": gettext_lazy("Remove noise and artefacts"),
    "upscale": gettext_lazy("Enlarge"),
    "cutout": gettext_lazy("Cut the product out"),
    "frame": gettext_lazy("Place it in its frame"),
    "backdrop": gettext_lazy("Set it before a backdrop"),
    "locks": gettext_lazy("Compare the product's pixels and the white"),
    "colour_gate": gettext_lazy("Compare the colours"),
    "text_guard": gettext_lazy("Compare text and logos"),
    "encode": gettext_lazy("Write"),
}

FLAVOUR_LABELS: Mapping[str, Any] = {
    "photo": gettext_lazy("for photos"),
    "faithful": gettext_lazy("faithful"),
}

BLUR_LABELS: Mapping[str, Any] = {
    "gaussian": gettext_lazy("softness"),
    "defocus": gettext_lazy("defocus"),
    "motion": gettext_lazy("motion"),
}

SOURCE_TYPE_LABELS: Mapping[str, Any] = {
    "algorithmicallyEnhanced": gettext_lazy("Enhanced by an algorithm"),
    "composite": gettext_lazy("Put together from several pictures"),
    "compositeWithTrainedAlgorithmicMedia": gettext_lazy("Partly generated"),
    "trainedAlgorithmicMedia": gettext_lazy("Generated"),
    "digitalCapture": gettext_lazy("Taken by a camera"),
}

UPLOAD_LABELS: Mapping[str, Any] = {
    "estimated_blur": gettext_lazy("Blur, pixels"),
    "estimated_jpeg_quality": gettext_lazy("JPEG quality, estimated"),
    "estimated_noise": gettext_lazy("Noise, levels of 255"),
}
"""Figures about the upload alone, in the order in which they are shown."""

FIGURE_LABELS: Mapping[str, Any] = {
    "colour_shift_mean_uncorrected": gettext_lazy("Colour change before the correction, average"),
    "colour_shift_p95_uncorrected": gettext_lazy(
        "Colour change before the correction, worst areas"
    ),
    "pixel_lock_max_difference": gettext_lazy(
        "Largest change of a product's pixel by saving, of 255"
    ),
    "frame_fill": gettext_lazy("Share of the frame that the product spans"),
    "frame_width": gettext_lazy("Share of the frame's width"),
    "frame_height": gettext_lazy("Share of the frame's height"),
    "frame_position_error": gettext_lazy("Product away from its place, pixels"),
    "cutout_share": gettext_lazy("Share of the upload that is the product"),
    "white_min": gettext_lazy("Darkest pixel of the white background, of 255"),
}
"""Figures that nobody judges, but that have better names than their own."""
