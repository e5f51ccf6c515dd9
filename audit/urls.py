"""The pages, at the root of the site."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from audit.web import (
    audit_now,
    certificates,
    check_again,
    customer_report,
    export,
    incidents,
    known,
    last_day,
    login,
    overview,
    report_links,
    saved_views,
    scorecard,
    second_factor,
    server,
    trail,
)

_TENANT = "tenants/<int:tenant_id>/"
_DOMAIN = "domains/<int:tenant_id>/<str:domain>/"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("board/", overview.board, name="board"),
    path("certificates/", certificates.page, name="certificates"),
    path("last-24-h/", last_day.page, name="last_day"),
    path("run/", audit_now.run_filtered, name="run-filtered"),
    path("run-selected/", audit_now.run_selected, name="run-selected"),
    path("mark-selected/", known.mark_selected, name="mark-selected"),
    path("report-selected/", report_links.make_selected, name="report-selected"),
    path("export/", export.export, name="export"),
    path("views/", saved_views.saved_views, name="saved-views"),
    path("progress/", audit_now.progress, name="progress"),
    path("incidents/", incidents.incidents, name="incidents"),
    path("incidents/<int:incident_id>/", incidents.incident, name="incident"),
    path(_DOMAIN, scorecard.scorecard, name="scorecard"),
    path(_DOMAIN + "panel/", scorecard.panel, name="panel"),
    path(_DOMAIN + "mark/", known.mark_one, name="mark-one"),
    path(_DOMAIN + "take-back/", known.take_one_back, name="take-back"),
    path(_DOMAIN + "run/", scorecard.run, name="run"),
    path(_DOMAIN + "history/", scorecard.history, name="history"),
    path(_DOMAIN + "evidence/<slug:check_id>/", scorecard.evidence, name="evidence"),
    path(_DOMAIN + "trail/", trail.of_domain, name="trail"),
    path(_DOMAIN + "report/", report_links.make, name="make-report"),
    path("report/<str:token>/", customer_report.report, name="report"),
    path("report/<str:token>/again/", check_again.check_again, name="check-again"),
    path("servers/", server.servers, name="servers"),
    path(_TENANT, server.tenant, name="tenant"),
    path(_TENANT + "card/", server.card, name="tenant-card"),
    path(_TENANT + "trail/", trail.of_tenant, name="tenant-trail"),
    path(_TENANT + "test/", server.test, name="test-server"),
    path(_TENANT + "history/", server.history, name="tenant-history"),
    path(_TENANT + "evidence/<slug:check_id>/", server.evidence, name="tenant-evidence"),
    path("login/", login.Login.as_view(), name="login"),
    path("second-factor/", second_factor.give, name="second-factor"),
    path("second-factor/new/", second_factor.set_up, name="set-up-second-factor"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
]
