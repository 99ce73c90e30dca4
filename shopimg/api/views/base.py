"""What every view shares, so that none depends on the host's settings for its own API."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect, QueryDict
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ValidationError,
)
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from shopimg.api import conditional
from shopimg.api.exceptions import problem_response
from shopimg.api.pagination import Ordering, Pages
from shopimg.api.parsers import ShortJSONParser
from shopimg.api.permissions import MayDoAction, Rule
from shopimg.api.schema import ShopimgAutoSchema
from shopimg.api.throttling import ScopeThrottle

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class ShopimgView(APIView):
    """JSON in and out, problems, request ids, limits and validators."""

    renderer_classes: Sequence[Any] = (JSONRenderer,)
    parser_classes: Sequence[Any] = (ShortJSONParser,)
    permission_classes: Sequence[Any] = (MayDoAction,)
    throttle_classes: Sequence[Any] = (ScopeThrottle,)
    content_negotiation_class = DefaultContentNegotiation
    http_method_names = ("get", "head", "post")
    metadata_class = None
    versioning_class = None
    schema: Any = ShopimgAutoSchema()

    rules: ClassVar[Mapping[str, Rule]] = {}
    """Action -> who may."""
    cache_control: str = "private, no-cache"
    """How long others may keep an answer; by default they ask each time, which 304 makes cheap."""
    request_id: str = ""
    """The client's ``X-Request-ID``, or one of ours."""
    version: int | None = None
    """Version of the row that a read is about, where it has one."""
    changed_at: datetime | None = None
    """When that row changed last, where somebody knows."""

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        """Leave transactions to the services, also where the host sets ``ATOMIC_REQUESTS``.

        Errors tell what was written, such as a failed job or an approval without its file: an
        error that rolled the request back would tell of rows that do not exist.
        """
        return transaction.non_atomic_requests(super().as_view(*args, **kwargs))

    @property
    def user(self) -> AbstractBaseUser:
        """Who asks; the permissions have made sure that somebody is logged in."""
        return cast("AbstractBaseUser", self.request.user)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Agree on the id of the request before anything can fail."""
        given = request.headers.get("X-Request-ID", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count a request that is refused, too: whoever tries tokens is to be slowed down.

        Raises:
            Throttled: there were too many.
        """
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated, PermissionDenied):
            # Django REST framework counts last; by now an unknown client goes by its address.
            self.check_throttles(request)
            raise

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Response]:
        """Answer every error with a problem."""
        return problem_response

    def get_throttles(self) -> list[Any]:
        """Remember the throttles: their headers are asked for when the answer is ready."""
        self._throttles = super().get_throttles()
        return self._throttles

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Add the headers that every answer has, and validators to reads."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["X-Request-ID"] = self.request_id
        for throttle in getattr(self, "_throttles", ()):
            for name, value in throttle.headers().items():
                response[name] = value
        succeeded = response.status_code == 200
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = self.cache_control if succeeded else "no-store"
        if isinstance(response, Response) and succeeded and request.method in {"GET", "HEAD"}:
            conditional.add_validators(
                response, request, version=self.version, changed_at=self.changed_at
            )
        if self.authentication_classes:
            patch_vary_headers(response, ("Authorization", "Cookie"))
        return response


class ShopimgViewSet(ShopimgView, GenericViewSet[Any]):
    """A resource with several actions."""

    filter_backends: Sequence[Any] = ()
    filterset_class: Any = None
    list_parameters: ClassVar[tuple[str, ...]] = ()
    """What a list takes besides its filters, its order and its pages."""
    repeatable_parameters: ClassVar[frozenset[str]] = frozenset({"status"})
    """Those of which any value fits."""

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        """Return one page of a list.

        Raises:
            ValidationError: the list has no such parameter, or it is empty, or there twice; without
                a misspelt filter, or one whose value got lost, it would answer with everything.
        """
        mistakes = dict(self._mistakes(self.request.query_params))
        if mistakes:
            raise ValidationError(mistakes)
        return super().paginate_queryset(queryset)

    def _mistakes(self, given: QueryDict) -> Iterator[tuple[str, str]]:
        known = {*self.list_parameters, *self._common_parameters()}
        for name, values in sorted(given.lists()):
            if name not in known:
                yield name, "There is no such parameter."
            elif "" in values:
                yield name, "Give it a value, or leave it out."
            elif len(values) > 1 and name not in self.repeatable_parameters:
                yield name, "Give it once."

    def _common_parameters(self) -> Iterator[str | None]:
        yield from getattr(self.filterset_class, "base_filters", ())
        if hasattr(self, "ordering_fields"):
            yield Ordering.ordering_param
        yield from (Pages.cursor_query_param, Pages.page_size_query_param)
        yield api_settings.URL_FORMAT_OVERRIDE


class NotFoundView(ShopimgView):
    """Answer every other address below the API with a problem, not with the host's 404 page."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises:
            NotFound: always.
        """
        super().initial(request, *args, **kwargs)
        raise NotFound


def add_slash(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    """Send a request for an address without its slash to the right one, method and body with it.

    Django's own answer makes a read of a write: it would look as if something had been done.
    """
    try:
        found = resolve(f"{request.path_info}/", getattr(request, "urlconf", None))
    except Resolver404:
        found = None
    if found is None or getattr(found.func, "cls", None) is NotFoundView:
        response: HttpResponseBase = NotFoundView.as_view()(request)
        return response
    return HttpResponsePermanentRedirect(
        request.get_full_path(force_append_slash=True), preserve_request=True
    )
