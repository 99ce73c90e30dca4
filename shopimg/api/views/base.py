"""What every view shares, so that none depends on the host's settings for its own API."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.db import transaction
from django.http import HttpRequest
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import NotFound, ValidationError
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

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        """Return one page of a list.

        Raises:
            ValidationError: the list has no such parameter; without a misspelt filter it would
                answer with everything.
        """
        known = {*self.list_parameters, *self._common_parameters()}
        if unknown := sorted(set(self.request.query_params) - known):
            raise ValidationError(dict.fromkeys(unknown, "There is no such parameter."))
        return super().paginate_queryset(queryset)

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
