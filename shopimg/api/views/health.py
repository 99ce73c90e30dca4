"""Whether this web process can serve."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from shopimg.api.views.base import ShopimgView


class Unavailable(APIException):
    """The database does not answer."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "The database does not answer."


class HealthView(ShopimgView):
    """For load balancers: 200 while the database answers. Of workers, ``shopimg_status`` tells."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    schema = None
    cache_control = "no-store"

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the database for nothing.

        Raises:
            Unavailable: it does not answer.
        """
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError as err:
            raise Unavailable from err
        return Response({"status": "ok"})
