"""Who may log in to the demo shop: an owner and a reviewer, with passwords made on the spot."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Permission
from rest_framework.authtoken.models import Token

FILE = "logins.json"
NAMES = ("admin", "reviewer")
REVIEWER_PERMISSIONS = (
    "view_enhancedvariant",
    "review_enhancedvariant",
    "publish_enhancedvariant",
    "view_enhancementjob",
    "change_enhancementjob",
)


def logins(folder: Path) -> dict[str, str]:
    """Return the passwords by user name; made once, readable by the owner of the folder only."""
    path = folder / FILE
    if not path.exists():
        path.touch(mode=0o600)
        passwords = {name: secrets.token_urlsafe(9) for name in NAMES}
        path.write_text(json.dumps(passwords))
    found: dict[str, str] = json.loads(path.read_text())
    return found


def create_users(folder: Path) -> AbstractUser:
    """Create both users, or set their passwords again, and return the reviewer."""
    passwords = logins(folder)
    _user("admin", passwords["admin"], is_superuser=True)
    reviewer = _user("reviewer", passwords["reviewer"], is_superuser=False)
    allowed = Permission.objects.filter(
        content_type__app_label="shopimg", codename__in=REVIEWER_PERMISSIONS
    )
    reviewer.user_permissions.set(allowed)
    return reviewer


def token(name: str) -> str:
    """Return the key by which programs are let in as a user; made once."""
    key: str = Token.objects.get_or_create(user=get_user_model().objects.get(username=name))[0].key
    return key


def _user(name: str, password: str, *, is_superuser: bool) -> AbstractUser:
    user, _ = get_user_model().objects.get_or_create(username=name)
    user.is_staff, user.is_superuser = True, is_superuser
    user.set_password(password)
    user.save()
    return user
