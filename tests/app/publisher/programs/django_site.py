"""A Django site with a view of each kind that publishes, as ASGI and as WSGI."""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path

from tidings import AsyncPublisher, Publisher, TidingsError

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", DEBUG=False)
django.setup(set_prefix=False)

publisher = Publisher(os.environ["PUBLISHER_URL"], timeout=15)
twin = AsyncPublisher(os.environ["PUBLISHER_URL"], timeout=15)


def ship(request: HttpRequest, order: str) -> JsonResponse:
    try:
        position = publisher.publish(order, {"by": "view"})
    except TidingsError as error:
        return JsonResponse({"error": error.message}, status=503 if error.temporary else 500)
    return JsonResponse({"offset": position.offset})


async def ship_async(request: HttpRequest, order: str) -> JsonResponse:
    position = await twin.publish(order, {"by": "async view"})
    return JsonResponse({"offset": position.offset})


async def ship_blocking(request: HttpRequest, order: str) -> JsonResponse:
    """The synchronous publisher where a loop is running: it blocks, and that is all."""
    return JsonResponse({"offset": publisher.publish(order, {"by": "blocking view"}).offset})


urlpatterns = [
    path("ship/<order>", ship),
    path("ship_async/<order>", ship_async),
    path("ship_blocking/<order>", ship_blocking),
]
application = ASGIHandler()
wsgi = WSGIHandler()
