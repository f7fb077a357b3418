"""Django: ``uvicorn django_app:app``, or ``uvicorn django_app:app_without_lifespan``.

Settings, routes and views of a project stand in several files; here they are in one.
"""

import asyncio
import atexit
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_POST
from visitors import log_end, visitor_options

from norce_order_async import NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

logging.basicConfig(level=logging.INFO)
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="only-for-this-example",
    MIDDLEWARE=[f"{__name__}.Problems"],
    LOGGING_CONFIG=None,
)

norce = OrderClient.from_env(on_call=[log_end])  # it connects when it is first used


class Problems:
    """Answers an error of a call with its problem details."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return await self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, NorceOrderError):
            return None
        status, headers, body = problem_details(error)
        return JsonResponse(body, status=status, content_type=headers.pop("Content-Type"), headers=headers)


# Django cancels both when the visitor leaves; the outcome of what was cancelled is in the log.
@require_GET
async def read(request: HttpRequest, channel: str, order_id: str) -> HttpResponse:
    options = visitor_options(request.headers.get("x-request-timeout"))
    order = await get_order(norce.scoped(channel=channel), order_id, options=options)
    return HttpResponse(to_json(order), content_type="application/json")


@require_POST
async def agree(request: HttpRequest, channel: str, order_id: str, consent_id: str) -> HttpResponse:
    options = visitor_options(request.headers.get("x-request-timeout"))
    receipt = await patch_consent(norce.scoped(channel=channel), order_id, consent_id, checked=True, options=options)
    return JsonResponse({"outcome": receipt.outcome})


@require_GET
async def health(request: HttpRequest) -> HttpResponse:
    return JsonResponse(attrs.asdict(norce.stats()))


urlpatterns = [
    path("<str:channel>/orders/<str:order_id>", read),
    path("<str:channel>/orders/<str:order_id>/consents/<str:consent_id>", agree),
    path("health", health),
]

app_without_lifespan = get_asgi_application()


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Django, with the start and the end of the server that it does not handle itself."""
    if scope["type"] != "lifespan":
        await app_without_lifespan(scope, receive, send)
        return
    while True:
        kind = (await receive())["type"]
        if kind == "lifespan.shutdown":
            await norce.aclose()
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


@atexit.register
def close() -> None:
    """Close the client where nobody tells of the server's end; closing twice is fine."""
    asyncio.run(norce.aclose(grace=0))
