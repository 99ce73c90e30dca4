"""What the buttons of the review page do: one POST, one service, one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _

from shopimg import permissions, recipes, sources
from shopimg.admin.answers import Answer
from shopimg.admin.readonly import person
from shopimg.contract import EnhancementError
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, requests, reviews
from shopimg.states import RejectReason, ReviewState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    from shopimg.admin.queue import EnhancedVariantAdmin

Perform = Callable[["AbstractBaseUser", EnhancedVariant, int, Mapping[str, str]], str]
"""(who, variant, version that was looked at, form) -> what to tell people."""


def act(
    model_admin: EnhancedVariantAdmin, request: HttpRequest, pk: UUID, *, action: str
) -> HttpResponse:
    """Carry out one of ``ACTIONS`` on a variant.

    Raises:
        Http404: there is no such variant, or it is none of the user's business.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    variant = model_admin.get_queryset(request).filter(pk=pk).first()
    if variant is None:
        raise Http404
    answer = Answer(
        request, variant, model_admin.admin_site.name, model_admin.admin_site.each_context(request)
    )
    may_view = model_admin.has_view_permission(request, variant)
    if not may_view or not permissions.allows(request.user, action):
        return answer.forbidden()
    return _perform(answer, action)


def _perform(answer: Answer, action: str) -> HttpResponse:
    form = answer.request.POST
    try:
        version = int(form.get("version", ""))
    except ValueError:
        return answer.invalid(_("The form is incomplete: the version is missing."))
    if action == "reject" and form.get("reason") not in RejectReason.values:
        return answer.invalid(_("Choose a reason."))
    try:
        message = ACTIONS[action](person(answer.request), answer.variant, version, form)
    except EnhancementError as err:
        answer.variant.refresh_from_db()
        return answer.refused(err)
    if action in {"approve", "reject"}:
        return answer.decided(message)
    return answer.stayed(message, undo=action in {"rollback", "withdraw"})


def _approve(
    by: AbstractBaseUser, variant: EnhancedVariant, version: int, form: Mapping[str, str]
) -> str:
    reviews.approve(variant, by=by, version=version, note=form.get("note", ""))
    if variant.state == ReviewState.PUBLISHED:
        return _("Approved and published: %(variant)s.") % {"variant": title_of(variant)}
    return _("Approved: %(variant)s.") % {"variant": title_of(variant)}


def _reject(
    by: AbstractBaseUser, variant: EnhancedVariant, version: int, form: Mapping[str, str]
) -> str:
    note = form.get("note", "")
    reviews.reject(variant, by=by, version=version, reason=form["reason"], note=note)
    return _("Rejected: %(variant)s.") % {"variant": title_of(variant)}


def _publish(by: AbstractBaseUser, variant: EnhancedVariant, version: int, _form: Any) -> str:
    publishing.publish(variant, by=by, version=version)
    return _("Published. Shoppers see this picture now.")


def _withdraw(by: AbstractBaseUser, variant: EnhancedVariant, version: int, _form: Any) -> str:
    publishing.withdraw(variant, by=by, version=version)
    return _("Withdrawn.") + " " + _what_shoppers_see(variant)


def _rollback(by: AbstractBaseUser, variant: EnhancedVariant, version: int, _form: Any) -> str:
    if publishing.rollback(variant, by=by, version=version) is None:
        return _("Rolled back.") + " " + _what_shoppers_see(variant)
    return _("Rolled back. Shoppers see the previous picture again.")


def _restore(by: AbstractBaseUser, variant: EnhancedVariant, version: int, _form: Any) -> str:
    publishing.restore(variant, by=by, version=version)
    return _("Undone. Shoppers see this picture again.")


def _retry(_by: Any, variant: EnhancedVariant, _version: int, _form: Any) -> str:
    requests.run_again(variant.job)
    return _("Queued again. This draft stays until there is a new one.")


def _what_shoppers_see(variant: EnhancedVariant) -> str:
    if is_further_view(variant):
        return _("Shoppers do not see this view any more.")
    shown = publishing.shown_of(variant)
    if shown is None:
        return _("Shoppers see the original again.")
    return _("Shoppers see %(variant)s now.") % {"variant": title_of(shown)}


def is_further_view(variant: EnhancedVariant) -> bool:
    """Tell whether a variant is no main picture, and shoppers see another one of its photo."""
    photo = variant.source
    try:
        source = sources.source_for(type(photo)) if isinstance(photo, Model) else None
    except LookupError:  # its model is not watched any more
        source = None
    if source is None or variant.role == recipes.main_role(source.recipe):
        return False
    return publishing.shown_of(variant) not in (None, variant)


def title_of(variant: EnhancedVariant) -> str:
    """Name a variant by its photo, as people know it."""
    return f"{variant.source or variant.job.source_name} · {named(variant)}"


def named(variant: EnhancedVariant) -> str:
    """Tell a variant from the others of its job: by role and, but for the first, by number."""
    return f"{variant.role} {variant.candidate + 1}" if variant.candidate else variant.role


ACTIONS: Mapping[str, Perform] = {
    "approve": _approve,
    "reject": _reject,
    "publish": _publish,
    "withdraw": _withdraw,
    "rollback": _rollback,
    "restore": _restore,
    "retry": _retry,
}
"""Every button, by the last word of its address."""
