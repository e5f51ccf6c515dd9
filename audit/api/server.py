"""The endpoints of the server card: what all domains of a tenant stand on."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Router, Status

from audit import tasks
from audit.api import schemas
from audit.api.problem_details import Problem, too_many
from audit.api.responses import answers
from audit.api.routes import RUN, SEE, run_limit, tenant_of
from audit.reading import server_card

router = Router(tags=["audit"], by_alias=True)


@router.get(
    "/tenants/{int:tenant_id}/server",
    operation_id="getServer",
    url_name="get_server",
    summary="What all domains of a tenant stand on",
    auth=SEE,
    response=answers(schemas.ServerSchema, 404),
)
def get_server(request, tenant_id: int):
    """The server card: ten rows, judged once an interval. A row that has nothing to judge is `off`,
    and its message says why. It changes no score.
    """
    return server_card.of_tenant(tenant_of(request, tenant_id))


@router.post(
    "/tenants/{int:tenant_id}/server/test",
    operation_id="testServer",
    summary="Test the server now",
    auth=RUN,
    response=answers(schemas.TestAccepted, 404, 409, status=202),
)
def test_server(request, response: HttpResponse, tenant_id: int):
    """Have all rows judged at once, by a worker; it is done when the card's `queued` is false.
    Asked again meanwhile, it is the same test.
    """
    caller = request.auth
    if wait := run_limit().hit(caller.key):
        raise too_many(wait)
    tenant = tenant_of(request, tenant_id)
    if not tenant.enabled:
        raise Problem(409, _("This tenant is disabled; enable it first."))
    already = not tasks.request_server_test(tenant, who=caller.actor)
    address = reverse("api:get_server", args=[tenant.pk])
    response["Location"] = address
    return Status(202, {"status": "queued", "already_queued": already, "status_url": address})
