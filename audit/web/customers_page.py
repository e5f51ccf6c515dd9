"""What all pages have in common that a customer gets by a link."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_cache_control

from audit.models import Tenant


def in_language(
    request: HttpRequest, template: str, context: dict[str, Any], tenant: Tenant, status: int = 200
) -> HttpResponse:
    """A page in the language of the tenant's customers."""
    with translation.override(tenant.language):
        response = render(request, template, context, status=status)
    response["Content-Language"] = tenant.language
    return private(response)


def private(response: HttpResponse) -> HttpResponse:
    """Kept by nobody. The address is the key: no other site is told it. Our own is, as by all
    pages: a browser that says nothing to anybody sends `Origin: null` with a form, which Django
    takes for a forged one.
    """
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "same-origin"
    patch_cache_control(response, private=True, no_store=True)
    return response
