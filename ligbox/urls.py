"""Where everything is served."""

from django.contrib import admin
from django.urls import include, path

from audit.views.login import Login

urlpatterns = [
    path("admin/login/", Login.as_view()),  # one way in, one throttle
    path("admin/", admin.site.urls),
    path("", include("audit.urls")),
]

handler404 = "audit.views.overview.missing"
