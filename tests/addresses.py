"""Every address of the site, from its URLs."""

from django.urls import URLPattern, get_resolver

VALUES = {
    "tenant_id": "1",
    "run_id": "1",
    "domain": "cliente.pt",
    "check_id": "dns_spf",
    "incident_id": "1",
    "link_id": "1",
    "token": "x",
    "object_id": "1",
    "pk": "1",
    "kind": "csv",
}
VALUES |= {
    "content_type_id": "1",
    "app_label": "audit",
    "url": "nowhere/",
    "id": "1",
    "hash": "x",
    "uidb64": "x",
    "path": "x",
    "backup_id": "1",
}


def addresses():
    """Every address of the site, with something in each place."""

    def walk(patterns, before, places):
        for pattern in patterns:
            route, names = (
                before + _plain(pattern.pattern),
                places | set(pattern.pattern.converters),
            )
            if isinstance(pattern, URLPattern):
                yield route
            else:
                yield from walk(pattern.url_patterns, route, names)

    return sorted({"/" + address for address in walk(get_resolver().url_patterns, "", set())})


def _plain(pattern):
    text = str(pattern)
    for name, converter in pattern.converters.items():
        kind = {
            "IntConverter": "int:",
            "SlugConverter": "slug:",
            "PathConverter": "path:",
            "StringConverter": "",
        }[type(converter).__name__]
        for form in (f"<{kind}{name}>", f"<str:{name}>"):
            text = text.replace(form, VALUES[name])
    special = {
        "^api(?:/|$)": "api/",
        "(?P<app_label>auth|audit)/$": "audit/",
        "(?P<url>.*)$": "nowhere/",
    }
    if text in special:
        return special[text]
    if text.startswith("^(?P<app_label>"):
        return "audit/"
    assert not set("<>^$()") & set(text), f"what is {text}?"
    return text
