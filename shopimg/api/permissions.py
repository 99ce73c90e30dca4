"""Who may do what: the table that the admin shares, and who may read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from rest_framework.permissions import BasePermission

from shopimg import permissions

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

Rule: TypeAlias = Callable[[Any], bool]
"""Tells whether a user may."""


def permitted(*names: str) -> Rule:
    """Allow users who have all of these permissions."""
    return lambda user: bool(user.has_perms(names))


def as_in_admin(view: str, *actions: str) -> dict[str, Rule]:
    """Allow each action to those who may do it in the admin: who may see the row, and do it."""

    def rule(action: str) -> Rule:
        return lambda user: user.has_perm(view) and permissions.allows(user, action)

    return {action: rule(action) for action in actions}


class MayDoAction(BasePermission):
    """Ask the rule of the view's action; an action without a rule is forbidden."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the user may do what the request asks for."""
        action: str | None = getattr(view, "action", None)
        if action in {None, "metadata"}:
            return True  # no such method here, nor OPTIONS: answered by 405, whoever asks
        rules: Mapping[str, Rule] = getattr(view, "rules", {})
        user = request.user
        return bool(user and user.is_authenticated and action in rules and rules[action](user))
