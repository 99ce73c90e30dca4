"""Make a variant again with something changed: another backdrop, a corrected mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from shopimg.contract import Backdrop, Cutout, InvalidTransitionError, Recipe, RecipeError
from shopimg.contract.recipe import Role
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import EnhancedVariantQuerySet
from shopimg.services import jobs, photographs, requests
from shopimg.services.requests import Order, Request
from shopimg.states import LIVE_VARIANTS, OPEN_JOBS, JobState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def role_of(variant: EnhancedVariant) -> Role | None:
    """Return how a variant was made, or None where that was long ago, with a step of the past."""
    return next((role for role in _roles_of(variant.job) if role.name == variant.role), None)


def scene_of(variant: EnhancedVariant) -> Backdrop | None:
    """Return the generated backdrop that a variant was made with, or None for another kind."""
    for step in _steps_of(variant):
        if isinstance(step, Backdrop) and not step.is_plain:
            return step.candidate(variant.candidate)
    return None


def is_cut_out(variant: EnhancedVariant) -> bool:
    """Tell whether a mask has decided what the variant shows."""
    return any(isinstance(step, Cutout) for step in _steps_of(variant))


def with_another_scene(
    variant: EnhancedVariant, options: Mapping[str, Any], *, by: AbstractBaseUser
) -> Request:
    """Ask for other candidates of a variant's role; what there is now stays until then.

    They are cut out by the corrected mask that an open job of the same upload is about to use, else
    as the variant was.

    Args:
        variant: one with a generated backdrop.
        options: what to change, by the names of ``contract.OPTIONS``.
        by: who asks.

    Raises:
        InvalidTransitionError: the photo has been deleted or replaced.
        RecipeError: a wrong option or value, or the variant has no such backdrop.
        CapacityError: the storage failed; nothing has changed.
    """
    roles = tuple(role for role in _recipe(variant).roles if role.name == variant.role)

    def wanted() -> _Wanted:
        coming = [mask for job in _open_beside(variant) for mask in _masks_of(job)]
        return _Wanted(roles, {"mask": coming[-1], **options} if coming else options)

    return _request(variant, wanted, by)


def with_mask(variant: EnhancedVariant, digest: str, *, by: AbstractBaseUser) -> Request:
    """Ask for everything that was cut out of a photo to be made again, by another mask.

    That is what the variant's own job was to make, and what waits for review of other jobs, each as
    its job has made it: a mask belongs to the upload, whatever is done with the product later. Jobs
    that are still to cut it out give way, as their drafts would replace those of the mask: all that
    they were to make is made by the new job.

    Args:
        variant: one that was cut out.
        digest: of a stored mask.
        by: who asks.

    Raises:
        InvalidTransitionError: the photo has been deleted or replaced.
        RecipeError: the variant was not cut out.
        CapacityError: the storage failed; nothing has changed.
    """

    def wanted() -> _Wanted:
        roles = {role.name: role for role in _recipe(variant).roles}
        roles |= {role.name: role for role in map(role_of, _waiting_beside(variant)) if role}
        cut_out = {name: role for name, role in roles.items() if _has_cutout(role)}
        replaced = _open_beside(variant)
        for job in replaced:
            cut_out |= {role.name: role for role in _roles_of(job)}
        return _Wanted(tuple(cut_out.values()), {"mask": digest}, tuple(replaced))

    return _request(variant, wanted, by)


def _open_beside(variant: EnhancedVariant) -> list[EnhancementJob]:
    """Find the jobs of the same upload that are not over and cut something out, oldest first."""
    of_upload = EnhancementJob.objects.unfinished().filter(source_digest=variant.job.source_digest)
    return [
        job
        for job in of_upload.filter(**_photo_of(variant)).order_by("created_at", "pk")
        if any(_has_cutout(role) for role in _roles_of(job))
    ]


def _waiting_beside(variant: EnhancedVariant) -> EnhancedVariantQuerySet:
    """Find a draft of each other role that waits and was made of the same upload."""
    of_upload = EnhancedVariant.objects.awaiting_review().filter(
        **_photo_of(variant), job__source_digest=variant.job.source_digest
    )
    others = of_upload.exclude(role=variant.role).first_of_each_choice()
    return others.select_related("job").order_by("created_at", "pk")


def _photo_of(variant: EnhancedVariant) -> dict[str, Any]:
    """Return what rows of the same photo have in common."""
    return {"source_type": variant.source_type_id, "source_id": variant.source_id}


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What is to be made, in the place of what."""

    roles: tuple[Role, ...]
    options: Mapping[str, Any]
    replaced: tuple[EnhancementJob, ...] = ()


def _request(
    variant: EnhancedVariant, wanted: Callable[[], _Wanted], by: AbstractBaseUser
) -> Request:
    """Place a job of other roles of a variant's photo, in the place of others.

    Two requests of the same instant would not see each other's job, and both masks would be used:
    so what is wanted is looked up again once the photo is locked. The upload is read before that,
    as no save of the shop shall wait for a storage.
    """
    found = wanted()
    while True:
        job = _described(variant, found, by)
        with transaction.atomic():
            photographs.lock(variant)
            still = wanted()
            if still == found:
                return _placed(job, found.replaced, by)
        found = still


def _described(variant: EnhancedVariant, wanted: _Wanted, by: AbstractBaseUser) -> EnhancementJob:
    recipe = dataclasses.replace(_recipe(variant), roles=wanted.roles)
    order = Order(base=recipe, options=wanted.options, requested_by=by)
    job = requests.describe(_photo(variant), order)
    if job.source_digest != variant.job.source_digest:
        raise InvalidTransitionError(_("The photo has been replaced since then."))
    return job


def _placed(
    job: EnhancementJob, replaced: Sequence[EnhancementJob], by: AbstractBaseUser
) -> Request:
    request = requests.place(job, force=False)
    if not request.queued and _is_spent(request):
        # Asked for before, and given way to something else since then.
        requests.run_again(request.job, by=by)
        request = Request(request.job, queued=True)
    if request.job.state != JobState.FAILED:
        others = EnhancementJob.objects.filter(pk__in=[other.pk for other in replaced])
        jobs.cancel_superseded(others.exclude(pk=request.job.pk))
    return request


def _photo(variant: EnhancedVariant) -> models.Model:
    """Return the photo as it is now, whatever the variant remembers of it."""
    if not photographs.file_name(variant):
        raise InvalidTransitionError(_("The photo of this picture has been deleted."))
    photo: models.Model = variant.source_type.get_object_for_this_type(pk=variant.source_id)
    return photo


def _is_spent(request: Request) -> bool:
    """Tell whether a job is over and nothing that it made can be looked at any more."""
    if request.job.state in OPEN_JOBS:
        return False
    live = request.job.variants.filter(state__in=LIVE_VARIANTS)
    refused = request.job.state == JobState.FAILED and not request.job.attempts
    return not live.exists() and not refused


def _recipe(variant: EnhancedVariant) -> Recipe:
    return Recipe.parse(variant.job.recipe, variant.job.recipe_table)


def _steps_of(variant: EnhancedVariant) -> tuple[Any, ...]:
    role = role_of(variant)
    return role.steps if role else ()


def _roles_of(job: EnhancementJob) -> tuple[Role, ...]:
    """Return what a job makes; nothing where its recipe is of long ago, with a step of the past."""
    try:
        return Recipe.parse(job.recipe, job.recipe_table).roles
    except RecipeError:
        return ()


def _masks_of(job: EnhancementJob) -> frozenset[str]:
    return Recipe(job.recipe, _roles_of(job)).masks


def _has_cutout(role: Role) -> bool:
    return any(isinstance(step, Cutout) for step in role.steps)
