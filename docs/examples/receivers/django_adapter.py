"""The adapter beside Django, in the project's asgi.py: `uvicorn django_adapter:app --no-access-log`."""

from typing import Any

import django
from adapter import receiver
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path


async def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


urlpatterns = [path("health", health)]
if not settings.configured:  # a project has a settings module instead
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
    django.setup()
django_adapter = get_asgi_application()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"].startswith("/norce/"):
        await receiver({**scope, "root_path": "/norce"}, receive, send)
    else:
        await django_adapter(scope, receive, send)
