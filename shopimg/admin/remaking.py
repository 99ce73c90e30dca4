"""What the review page offers to have made again: other scenes, or a corrected cut-out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shopimg import permissions
from shopimg.admin.answers import Answer
from shopimg.admin.labels import STYLE_LABELS
from shopimg.admin.readonly import person
from shopimg.contract import Backdrop, EnhancementError, RecipeError
from shopimg.contract.steps.scene import BRAND, GENERATED, LARGEST_SEED, SHADOW_MODES, STYLES
from shopimg.models import EnhancedVariant
from shopimg.services import masks, photographs, remaking
from shopimg.services.requests import Request

if TYPE_CHECKING:
    from shopimg.admin.queue import EnhancedVariantAdmin

Choices = list[tuple[str, Any, bool]]
"""(value, label, whether it is the present one)."""

SHADOW_LABELS: Mapping[str, Any] = {
    "none": gettext_lazy("None"),
    "soft": gettext_lazy("Soft"),
    "hard": gettext_lazy("Hard"),
    "floating": gettext_lazy("Far below"),
}
LIGHT_LABELS: Mapping[str, Any] = {
    "0": gettext_lazy("From behind"),
    "45": gettext_lazy("From behind on the right"),
    "90": gettext_lazy("From the right"),
    "135": gettext_lazy("From the front on the right"),
    "180": gettext_lazy("From the camera"),
    "225": gettext_lazy("From the front on the left"),
    "270": gettext_lazy("From the left"),
    "315": gettext_lazy("From behind on the left"),
}


@dataclass(frozen=True, slots=True)
class SceneForm:
    """What can be chosen for other scenes, with what the present one has."""

    styles: Choices
    """Empty for a generator of the shop's own: only it knows what a style is."""
    shadows: Choices
    lights: Choices
    seed: int
    pictures: int
    """How many the job makes to choose from."""
    largest_seed: int = LARGEST_SEED


def scene_form(variant: EnhancedVariant) -> SceneForm | None:
    """Return the form for other scenes, or None where the variant has no generated backdrop."""
    scene = remaking.scene_of(variant)
    role = remaking.role_of(variant)
    if scene is None or role is None:
        return None
    light = f"{scene.light_direction:g}"
    lights = LIGHT_LABELS if light in LIGHT_LABELS else {light: f"{light}°", **LIGHT_LABELS}
    return SceneForm(
        styles=_choices(_styles(scene), STYLE_LABELS, scene.style) if _is_ours(scene) else [],
        shadows=_choices(SHADOW_MODES, SHADOW_LABELS, scene.shadow_mode),
        lights=_choices(lights, lights, light),
        seed=scene.seed,
        pictures=role.candidates,
    )


def kinds(variant: EnhancedVariant) -> set[str]:
    """Return what can be made again of a variant: ``regenerate``, ``correct``, both or nothing."""
    if not remaking.is_cut_out(variant):
        return set()
    if photographs.file_name(variant) != variant.job.source_name:
        return set()
    return {"correct", "regenerate"} if remaking.scene_of(variant) else {"correct"}


def remake(
    model_admin: EnhancedVariantAdmin, request: HttpRequest, pk: UUID, *, action: str
) -> HttpResponse:
    """Carry out one of ``REMAKES`` on a variant.

    Raises:
        Http404: there is no such variant, or it is none of the user's business.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    variant = model_admin.get_queryset(request).filter(pk=pk).first()
    if variant is None:
        raise Http404
    site = model_admin.admin_site
    answer = Answer(request, variant, site.name, site.each_context(request))
    may_view = model_admin.has_view_permission(request, variant)
    if not may_view or not permissions.allows(request.user, action):
        return answer.forbidden()
    try:
        made = REMAKES[action](request, variant)
    except EnhancementError as err:
        return answer.refused(err)
    return answer.queued(_message(made), _job_url(made, site.name))


def _regenerate(request: HttpRequest, variant: EnhancedVariant) -> Request:
    form = request.POST
    options: dict[str, Any] = {
        "background.seed": _seed(form),
        "shadow.mode": form.get("shadow", ""),
        "light.direction": _number(form.get("light", "")),
    }
    if "style" in form:
        options["background.style"] = form["style"]
    return remaking.with_another_scene(variant, options, by=person(request))


def _correct(request: HttpRequest, variant: EnhancedVariant) -> Request:
    file = request.FILES.get("mask")
    content = file.read(masks.MAX_BYTES + 1) if file else b""
    return masks.correct(variant, content, by=person(request))


def _seed(form: Mapping[str, str]) -> int:
    if "another_seed" in form:
        return secrets.randbelow(LARGEST_SEED + 1)
    try:
        return int(form.get("seed", ""))
    except ValueError as err:
        raise RecipeError(_("The seed must be a whole number.")) from err


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as err:
        raise RecipeError(_("Choose where the light comes from.")) from err


def _message(request: Request) -> str:
    if request.queued:
        return _(
            "Queued. The new pictures appear in the queue; what there is now stays until then."
        )
    return _("These pictures have been asked for already.")


def _job_url(request: Request, site: str) -> str:
    name = "admin:shopimg_enhancementjob_change"
    return reverse(name, args=[request.job.pk], current_app=site)


def _is_ours(scene: Backdrop) -> bool:
    return scene.generator == GENERATED


def _styles(scene: Backdrop) -> Sequence[str]:
    """Offer the shop's own style only where the recipe knows that there is one."""
    return (*STYLES, BRAND) if BRAND in (scene.style, *scene.further_styles) else STYLES


def _choices(values: Any, labels: Mapping[str, Any], present: str) -> Choices:
    return [(value, labels.get(value, value), value == present) for value in values]


REMAKES: Mapping[str, Callable[[HttpRequest, EnhancedVariant], Request]] = {
    "regenerate": _regenerate,
    "correct": _correct,
}
"""Every button, by the last word of its address."""
