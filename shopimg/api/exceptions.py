"""Every error as problem+json (RFC 9457) with a stable ``code``."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from shopimg.contract import (
    CapacityError,
    EnhancementError,
    InvalidTransitionError,
    JobSupersededError,
    MaskError,
    RecipeError,
    SourceError,
)
from shopimg.models import EnhancementJob
from shopimg.services.idempotency import KeyReusedError
from shopimg.services.quotas import QuotaExceededError

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
"""Media type of every error."""
RETRY_SECONDS = 30
"""What ``Retry-After`` says when the storage, the workers or a user are at their limit."""

_STATUSES: Mapping[type[EnhancementError], int] = {
    SourceError: 422,
    RecipeError: 400,
    MaskError: 422,
    InvalidTransitionError: 409,
    JobSupersededError: 409,
    CapacityError: 503,
}


class EnhancementProblem(exceptions.APIException):
    """An error of the contract, with what a client may want to know about it."""

    def __init__(self, error: EnhancementError, **members: Any) -> None:
        """Take the error, and members to add to the problem."""
        self.status_code = next(
            (status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500
        )
        super().__init__(error.public_message, error.code)
        self.members = members
        if self.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.wait = RETRY_SECONDS


class RefusedUpload(exceptions.APIException):
    """The upload was refused before any worker saw it; its job says why."""

    status_code = 422

    def __init__(self, job: EnhancementJob, headers: Mapping[str, str]) -> None:
        """Take the failed job, and headers of the answer."""
        super().__init__(job.error_message, job.error_code)
        self.members = {"job": str(job.pk)}
        self.headers = headers


class KeyReused(exceptions.APIException):
    """The Idempotency-Key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another request. Use a new key."


class QuotaReached(exceptions.APIException):
    """The user has too much open work; each job that ends makes room."""

    status_code = 429
    default_code = "quota_exceeded"
    default_detail = "Too many of your jobs are still open. Wait until some are over."
    wait = RETRY_SECONDS


class PreconditionFailed(exceptions.APIException):
    """If-Match names another version."""

    status_code = 412
    default_code = "precondition_failed"
    default_detail = "The variant has changed since the version that If-Match names."

    def __init__(self, **members: Any) -> None:
        """Take members to add to the problem."""
        super().__init__()
        self.members = members


class BodyTooLarge(exceptions.APIException):
    """No request of this API is that long."""

    status_code = 413
    default_code = "body_too_large"
    default_detail = "The request body is too large."


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Turn whatever a view raised into a problem; the exception handler of every view."""
    error = _as_api_exception(exc, context)
    set_rollback()  # of the host's other databases; what shopimg writes is not undone by an answer
    headers = {**getattr(error, "headers", {})}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None) is not None:
        headers["Retry-After"] = str(math.ceil(error.wait))  # type: ignore[attr-defined]
    body = describe(error, context["request"].path, context["view"].request_id)
    return Response(body, error.status_code, headers=headers, content_type=PROBLEM_TYPE)


def _as_api_exception(exc: Exception, context: Mapping[str, Any]) -> exceptions.APIException:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, EnhancementError):
        return EnhancementProblem(exc)
    if isinstance(exc, QuotaExceededError):
        return QuotaReached()
    if isinstance(exc, KeyReusedError):
        return KeyReused()
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, SuspiciousOperation):
        return exceptions.ParseError()
    # Nothing that the client did. Tell whoever watches the host's errors, as Django itself would.
    logger.error("%s failed", context["request"].path, exc_info=exc)
    got_request_exception.send(sender=type(context["view"]), request=context["request"])
    return exceptions.APIException(code="internal_error")


def describe(error: exceptions.APIException, path: str, request_id: str) -> dict[str, Any]:
    """Return the body of a problem."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "code": _code(error),
        "detail": _detail(error),
        "instance": path,
        "request_id": request_id,
    }
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = list(_field_errors(error.get_full_details()))
    return body | getattr(error, "members", {})


def _code(error: exceptions.APIException) -> str:
    codes = error.get_codes()
    return codes if isinstance(codes, str) else error.default_code


def _detail(error: exceptions.APIException) -> str:
    return "The request is not valid." if not isinstance(error.detail, str) else str(error.detail)


def _field_errors(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Flatten what serializers and filters say about each field."""
    if isinstance(details, list):
        for entry in details:
            yield from _field_errors(entry, field)
    elif set(details) == {"message", "code"}:
        yield {"field": field, "code": details["code"], "detail": details["message"]}
    else:
        for name, entry in details.items():
            yield from _field_errors(entry, f"{field}.{name}" if field else str(name))
