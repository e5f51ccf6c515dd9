"""Does the proxy have a working virtual host for the webmail name?"""

from typing import Any

from collectors.base import Finding, Fix, Outcome, Owner, Target, check, fail, info, unknown
from collectors.names import same_name
from collectors.net.probe_url import UrlRefused, start_url
from collectors.net.session import CheckSession
from collectors.text import _


@check("nginx_vhost", _("nginx virtual host"), needs_portal=True)
async def check_nginx_vhost(target: Target, session: CheckSession) -> Outcome:
    """Does the proxy have a working virtual host for the webmail name?"""
    answer = await session.portal("nginx")
    evidence: dict[str, Any] = {"portal": answer.evidence()}
    data = answer.data
    try:
        host = start_url(target.webmail).host
    except UrlRefused as error:
        message = _(
            "The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.",
            url=target.webmail,
            reason=error.reason,
        )
        return Outcome(message, [unknown("webmail_url_invalid", message)], evidence)
    evidence["host"] = host
    findings: list[Finding] = []
    if not data.get("vhost"):
        message = _(
            "The proxy has no virtual host for {host}: visitors get another site or an error.",
            host=host,
        )
        fix = Fix(
            _(
                "Add the virtual host on the server, test the configuration (nginx -t) and reload "
                "nginx."
            )
        )
        findings.append(fail("vhost_missing", message, owner=Owner.HOST, fix=fix))
    else:
        findings += _server_names(host, data["server_names"])
        if not data["tls"]:
            message = _("The virtual host has no TLS: the webmail cannot be opened over https.")
            fix = Fix(_("Let it listen with ssl on port 443 and name its certificate and key."))
            findings.append(fail("vhost_no_tls", message, owner=Owner.HOST, fix=fix))
    if data.get("config_ok") is False:
        message = _(
            "The proxy's configuration has an error: nginx goes on with the old one, and a "
            "restart would take every site down."
        )
        fix = Fix(_("Run nginx -t on the server, correct what it names and reload nginx."))
        findings.append(fail("nginx_config_broken", message, owner=Owner.HOST, fix=fix))
    if data.get("running") is False:
        message = _("The proxy does not run: no webmail on this server can be opened.")
        fix = Fix(_("Start nginx on the server and see its log for why it stopped."))
        findings.append(fail("nginx_down", message, owner=Owner.HOST, fix=fix))
    return Outcome(
        _("Virtual host for {host} with TLS, the proxy runs", host=host), findings, evidence
    )


def _server_names(host: str, names: list[str]) -> list[Finding]:
    if any(_serves(name, host) for name in names):
        return []
    patterns = [name for name in names if name.startswith("~")]
    if patterns:
        # a strange regular expression is not run; the other two checks show what is served
        message = _(
            "The virtual host's names are regular expressions, which are not evaluated here: "
            "{names}",
            names=", ".join(patterns[:5]),
        )
        return [info("vhost_name_pattern", message, owner=Owner.HOST)]
    if names:
        message = _(
            "The virtual host is not for {host} but for: {names}. Visitors get another site.",
            host=host,
            names=", ".join(names[:10]),
        )
    else:
        message = _(
            "The virtual host has no name, so it is not for {host}. Visitors get another site.",
            host=host,
        )
    fix = Fix(
        _(
            "Add {host} to the server_name of the virtual host, test the configuration (nginx "
            "-t) and reload nginx.",
            host=host,
        )
    )
    return [fail("vhost_name_mismatch", message, owner=Owner.HOST, fix=fix)]


def _serves(name: str, host: str) -> bool:
    """Whether an nginx server_name covers the host.

    Equal, `*.` for any number of labels, `.name` for the name and any labels before it, `name.*`
    for any ending.
    """
    name = name.strip().lower().removesuffix(".")
    if name.startswith("*.") and len(name) > 2:
        return host.endswith(name[1:])
    if name.startswith(".") and len(name) > 1:
        return host == name[1:] or host.endswith(name)
    if name.endswith(".*") and len(name) > 2:
        return host.startswith(name[:-1])
    return same_name(name, host)
