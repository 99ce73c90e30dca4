"""Validators of reads (ETag, Last-Modified -> 304) and preconditions of writes (If-Match)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api.exceptions import PROBLEM_TYPE, PreconditionFailed, describe

_KEPT_HEADERS = ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def add_validators(
    response: Response, request: HttpRequest, *, version: int | None, changed_at: datetime | None
) -> None:
    """Give a read its validators, and answer 304 where the client has it already.

    Args:
        response: not rendered yet.
        request: of the client.
        version: of the row, for ``If-Match`` on a later write.
        changed_at: when the row changed last; None where nobody knows.
    """
    # A second date cannot tell two changes within one second apart: say nothing until it is over.
    dated = changed_at is not None and int(changed_at.timestamp()) < int(timezone.now().timestamp())
    moment = int(changed_at.timestamp()) if changed_at is not None and dated else None
    if moment is not None:
        response["Last-Modified"] = http_date(moment)
    prefix = "" if version is None else f"{version}-"
    response.add_post_render_callback(partial(_validate, request, prefix, moment))


def matches(request: Request, version: int) -> bool | None:
    """Tell whether ``If-Match`` names a version; None where it insists on none.

    Only the version counts, not the whole tag: a draft is the same draft when the worker has
    meanwhile written its smaller sizes. So a weak tag is as good as a strong one, and it is what
    clients get where a middleware or a server compresses answers.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in {"", "*"}:
        return None
    tags = parse_etags(header)
    return str(version) in {tag.removeprefix("W/").strip('"').partition("-")[0] for tag in tags}


def _validate(
    request: HttpRequest, prefix: str, moment: int | None, response: Response
) -> HttpResponse | None:
    digest = hashlib.sha256(response.content).hexdigest()[:32]
    etag = f'"{prefix}{digest}"'
    response["ETag"] = etag
    answer = get_conditional_response(request, etag, moment, response)
    if answer is None or answer is response:
        return None
    if answer.status_code == PreconditionFailed.status_code:
        problem = describe(PreconditionFailed(), request.path, response["X-Request-ID"])
        answer = JsonResponse(problem, status=problem["status"], content_type=PROBLEM_TYPE)
    for name in _KEPT_HEADERS:
        if name in response:
            answer[name] = response[name]
    return answer
