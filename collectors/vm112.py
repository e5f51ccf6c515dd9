"""The three checks of the mail server itself: through its portal, and one TLS handshake with the webmail address."""

from .base import Fix, Outcome, Owner, check, fail, info, unknown, warn
from .records import certificate
from .standards.certificates import name_covers
from .text import _
from .web_place import NotAPlace, start_place


@check("carbonio", _("Carbonio"))
async def carbonio(target, net):
    """Does Carbonio host the domain, is it active, are its services up?"""
    answer = await net.portal("carbonio")
    evidence = {"portal": answer.evidence()}
    if not answer.found:
        message = _("Carbonio does not know the domain {domain}: no mail to it is accepted.", domain=target.domain)
        fix = Fix(_("Create the domain on the server, or take it out of the audit if it has moved away."))
        return Outcome(message, [fail("carbonio_domain_missing", message, owner=Owner.HOST, fix=fix)], evidence)
    data = answer.data
    findings = [*_domain_status(data["status"]), *_services(data["services"])]
    if data["dkim"] is None:
        message = _("The server has no DKIM key for the domain: its mail leaves unsigned and more of it lands in spam folders.")
        fix = Fix(_("Make a key on the server (zmdkimkeyutil -a -d {domain}) and publish its record.", domain=target.domain))
        findings.append(warn("carbonio_no_dkim_key", message, owner=Owner.HOST, fix=fix))
    summary = _(
        "Domain active, services running: {services}, accounts: {accounts}", services=len(data["services"]), accounts=data["accounts"]
    )
    return Outcome(summary, findings, evidence)


def _domain_status(status):
    activate = Fix(_("Find out why it was set, then set the domain's status (zimbraDomainStatus) to active."))
    if status == "active":
        return []
    if status == "maintenance":
        message = _("The domain is in maintenance: nobody can sign in, and mail waits in the queue.")
        return [warn("carbonio_domain_maintenance", message, owner=Owner.HOST, fix=activate)]
    if status == "locked":
        message = _("The domain is locked: mail arrives, but nobody can sign in.")
        return [fail("carbonio_domain_locked", message, owner=Owner.HOST, fix=activate)]
    if status == "suspended":
        message = _("The domain is suspended: nobody can sign in, mail waits in the queue, and accounts cannot be changed.")
        return [fail("carbonio_domain_suspended", message, owner=Owner.HOST, fix=activate)]
    if status == "closed":
        message = _("The domain is closed: nobody can sign in, and mail to it is rejected.")
        return [fail("carbonio_domain_closed", message, owner=Owner.HOST, fix=activate)]
    message = _(
        "The portal's answer cannot be used: {problem}",
        problem=_("the field “status” has the unknown value “{value}”.", value=status[:100]),
    )
    return [unknown("portal_bad_response", message)]


def _services(services):
    if not services:
        message = _("The portal's answer cannot be used: {problem}", problem=_("the field “services” names no service."))
        return [unknown("portal_bad_response", message)]
    down = [f"{name} ({state})" for name, state in sorted(services.items()) if state.strip().lower() != "running"]
    if not down:
        return []
    message = _("Services that do not run: {services}. Mail or webmail of the domain does not work fully.", services=", ".join(down))
    return [
        fail(
            "carbonio_service_down", message, owner=Owner.HOST, fix=Fix(_("Start them on the server and see its log for why they stopped."))
        )
    ]


@check("nginx_vhost", _("nginx virtual host"))
async def nginx_vhost(target, net):
    """Does the proxy have a working virtual host for the webmail name?"""
    answer = await net.portal("nginx")
    evidence, data = {"portal": answer.evidence()}, answer.data
    try:
        host = start_place(target.webmail).host
    except NotAPlace as error:
        message = _(
            "The tenant's webmail URL {url} cannot be used: {reason}. Correct it in the tenant.", url=target.webmail, reason=error.reason
        )
        return Outcome(message, [unknown("webmail_url_invalid", message)], evidence)
    evidence["host"] = host
    findings = []
    if not data.get("vhost"):
        message = _("The proxy has no virtual host for {host}: visitors get another site or an error.", host=host)
        fix = Fix(_("Add the virtual host on the server, test the configuration (nginx -t) and reload nginx."))
        findings.append(fail("vhost_missing", message, owner=Owner.HOST, fix=fix))
    else:
        findings += _server_names(host, data["server_names"])
        if not data["tls"]:
            message = _("The virtual host has no TLS: the webmail cannot be opened over https.")
            fix = Fix(_("Let it listen with ssl on port 443 and name its certificate and key."))
            findings.append(fail("vhost_no_tls", message, owner=Owner.HOST, fix=fix))
    if data.get("config_ok") is False:
        message = _("The proxy's configuration has an error: nginx goes on with the old one, and a restart would take every site down.")
        fix = Fix(_("Run nginx -t on the server, correct what it names and reload nginx."))
        findings.append(fail("nginx_config_broken", message, owner=Owner.HOST, fix=fix))
    if data.get("running") is False:
        message = _("The proxy does not run: no webmail on this server can be opened.")
        fix = Fix(_("Start nginx on the server and see its log for why it stopped."))
        findings.append(fail("nginx_down", message, owner=Owner.HOST, fix=fix))
    return Outcome(_("Virtual host for {host} with TLS, the proxy runs", host=host), findings, evidence)


def _server_names(host, names):
    if any(_serves(name, host) for name in names):
        return []
    patterns = [name for name in names if name.startswith("~")]
    if patterns:
        # a strange regular expression is not run, and that the host really is served shows in the other two checks
        message = _(
            "The virtual host's names are regular expressions, which are not evaluated here: {names}", names=", ".join(patterns[:5])
        )
        return [info("vhost_name_pattern", message, owner=Owner.HOST)]
    if names:
        message = _(
            "The virtual host is not for {host} but for: {names}. Visitors get another site.", host=host, names=", ".join(names[:10])
        )
    else:
        message = _("The virtual host has no name, so it is not for {host}. Visitors get another site.", host=host)
    fix = Fix(_("Add {host} to the server_name of the virtual host, test the configuration (nginx -t) and reload nginx.", host=host))
    return [fail("vhost_name_mismatch", message, owner=Owner.HOST, fix=fix)]


def _serves(name, host):
    """Whether an nginx server_name covers the host: equal, `*.` for one label, `.name` for the name and one label before it,
    `name.*` for any ending. nginx would take several labels for `*.`, but no certificate would go with them."""
    name = name.strip().lower()
    if name.startswith("."):
        return name_covers(name[1:], host) or name_covers("*" + name, host)
    if name.endswith(".*"):
        return host.startswith(name[:-1])
    return name_covers(name, host)


@check("cert_le", _("Certificate"))
async def cert_le(target, net):
    """Is there a valid Let's Encrypt certificate, and is it the one that is served?"""
    return await certificate.audit(target, net)
