"""Request limits per scope, with defaults that work without host settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import ScopedRateThrottle

STOREFRONT = "shopimg-storefront"
JOBS = "shopimg-jobs"
REVIEW = "shopimg-review"

DEFAULT_RATES: Mapping[str, str] = {STOREFRONT: "1200/min", JOBS: "300/min", REVIEW: "600/min"}
"""Scope -> rate, unless ``REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]`` names the scope."""


class ScopeThrottle(ScopedRateThrottle):
    """Counts requests of one scope by user, or by address where nobody is logged in."""

    num_requests: int | None
    duration: int | None

    def get_rate(self) -> str | None:
        """Return the host's rate for the scope, else the default."""
        scope = str(self.scope)
        rates: Mapping[str, Any] = api_settings.DEFAULT_THROTTLE_RATES or {}
        rate: str | None = rates.get(scope, DEFAULT_RATES[scope])
        return rate

    def get_ident(self, request: Request) -> str:
        """Return the client's address: that of the connection, unless the host counts its proxies.

        Without ``NUM_PROXIES``, Django REST framework takes all of ``X-Forwarded-For``, which
        clients may write as they like: no limit would hold for those who change it.
        """
        if api_settings.NUM_PROXIES is None:
            return str(request.META.get("REMOTE_ADDR", ""))
        return super().get_ident(request)

    def headers(self) -> dict[str, str]:
        """Return ``RateLimit-*`` as of this request; nothing where the scope has no limit."""
        if getattr(self, "rate", None) is None or not hasattr(self, "now"):
            return {}
        oldest = self.history[-1] if self.history else self.now
        return {
            "RateLimit-Limit": str(self.num_requests),
            "RateLimit-Remaining": str(max((self.num_requests or 0) - len(self.history), 0)),
            "RateLimit-Reset": str(math.ceil((self.duration or 0) - (self.now - oldest))),
        }
