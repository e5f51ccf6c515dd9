"""Where everything is served."""

from django.contrib import admin
from django.urls import include, path, re_path

from audit.api.metrics import metrics
from audit.web.health import healthz, readyz
from audit.web.login import Login
from audit.web.password import change_password
from ligbox.api import api, nothing_here

admin.autodiscover()
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/", api.urls),
    re_path(r"^api(?:/|$)", nothing_here),
    path("admin/login/", Login.as_view()),  # one way in, one throttle
    path("admin/password_change/", change_password),
    path("admin/", admin.site.urls),
    path("", include("audit.urls")),
]

handler400 = "ligbox.errors.bad_request"
handler403 = "ligbox.errors.permission_denied"
handler404 = "ligbox.errors.page_not_found"
handler500 = "ligbox.errors.server_error"
