"""Which permissions each action on variants and jobs needs: one table for admin and API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shopimg.conf import settings

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

VIEW = "shopimg.view_enhancedvariant"
REVIEW = "shopimg.review_enhancedvariant"
PUBLISH = "shopimg.publish_enhancedvariant"
VIEW_JOBS = "shopimg.view_enhancementjob"
OPERATE = "shopimg.change_enhancementjob"

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "approve": (REVIEW,),
    "reject": (REVIEW,),
    "correct": (REVIEW,),
    "regenerate": (REVIEW,),
    "publish": (PUBLISH,),
    "withdraw": (PUBLISH,),
    "rollback": (PUBLISH,),
    "restore": (PUBLISH,),
    "retry": (OPERATE,),
    "cancel": (OPERATE,),
}


def needed_for(action: str) -> tuple[str, ...]:
    """Return the permissions that an action needs, all of them.

    Approving needs the permission to publish as well where an approval publishes: nobody puts a
    picture in front of shoppers without being allowed to.

    Args:
        action: ``approve``, ``reject``, ``correct``, ``regenerate``, ``publish``, ``withdraw``,
            ``rollback``, ``restore``, ``retry`` or ``cancel``.
    """
    if action == "approve" and settings.PUBLISH_ON_APPROVAL:
        return (REVIEW, PUBLISH)
    return _NEEDED[action]


def sees_jobs(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Tell whether a user may open the pages of jobs, as Django's admin has it."""
    return any(user.has_perm(name) for name in (VIEW_JOBS, OPERATE))  # type: ignore[union-attr]


def allows(user: AbstractBaseUser | AnonymousUser, action: str) -> bool:
    """Tell whether a user may do something to the rows that they see."""
    return bool(user.has_perms(needed_for(action)))  # type: ignore[union-attr]
