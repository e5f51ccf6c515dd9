"""The pages, at the root of the site."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from .views import handover, login, overview, running, scorecard

_DOMAIN = "domains/<int:tenant_id>/<str:domain>/"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("board/", overview.board, name="board"),
    path("run/", running.run_filtered, name="run-filtered"),
    path("run-selected/", running.run_selected, name="run-selected"),
    path("progress/", running.progress, name="progress"),
    path(_DOMAIN, scorecard.scorecard, name="scorecard"),
    path(_DOMAIN + "panel/", scorecard.panel, name="panel"),
    path(_DOMAIN + "run/", scorecard.run, name="run"),
    path(_DOMAIN + "history/", scorecard.history, name="history"),
    path(_DOMAIN + "evidence/<slug:check_id>/", scorecard.evidence, name="evidence"),
    path(_DOMAIN + "report/", handover.make, name="make-report"),
    path("report/<str:token>/", handover.report, name="report"),
    path("login/", login.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
]
