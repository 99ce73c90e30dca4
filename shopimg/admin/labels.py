"""What people call the styles of backdrops."""

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
