"""Every domain of the mock tenant is what it is said to be: audited over real DNS, portal and
TLS, with nothing saved."""

import asyncio

import pytest

from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.registry import core_checks
from collectors.run import run
from mock_tenant.tenant import MockTenant
from tests.collectors.lab import LOOPBACK

# what is to be seen of each domain; all else is ok
TRUTH = {
    "construtora-vale.pt": {"dns_spf": "spf_sender_not_authorised"},
    "clinica-sorriso.pt": {
        "cert_le": "cert_expired",
        "dns_dmarc": "dmarc_policy_none",
        "webmail_http": "webmail_tls",
    },
    "padaria-central.com.br": {
        "dns_mx": "mx_not_ours",
        "dns_spf": "spf_multiple",
        "dns_dkim": "dkim_missing",
        "dns_dmarc": "dmarc_missing",
        "webmail_http": "webmail_default_page",
    },
    "escola-horizonte.org": {"dns_dkim": "dkim_key_weak", "dns_dmarc": "dmarc_policy_none"},
    "advogados-lx.pt": {"cert_le": "cert_renewal_overdue"},
    "contabilidade-sul.pt": {"cert_le": "cert_served_differs"},
    "hotel-douro.com": {"carbonio": "portal_timeout", "nginx_vhost": "portal_timeout"},
    "transportes-ribeiro.pt": {"carbonio": "carbonio_domain_suspended"},
    "farmacia-nova.pt": {"carbonio": "carbonio_service_down"},
    "ginasio-norte.pt": {
        "nginx_vhost": "vhost_missing",
        "cert_le": "cert_name_mismatch",
        "webmail_http": "webmail_tls",
    },
    "viveiros-mondego.pt": {"dns_mx": "mx_foreign_backup"},
    "solar-energia.pt": {"dns_spf": "spf_too_many_lookups"},
    "agencia-mar.pt": {"dns_dkim": "dkim_key_mismatch"},
    "optica-central.pt": {"webmail_http": "webmail_status"},
    "teatro-azul.pt": {"webmail_http": "webmail_timeout"},
    "pesca-atlantico.pt": dict.fromkeys(
        ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc", "webmail_http"), "dns_servfail"
    ),
    "cinema-lumiere.pt": {"dns_dkim": "dns_timeout"},
    "dentista-faro.pt": {"dns_dmarc": "dmarc_missing"},
    "tipografia-lima.pt": {"dns_dkim": "dkim_misplaced"},
    "ourivesaria-real.com": {"dns_mx": "mx_not_ours"},
    "musica-viva.pt": {"dns_spf": "spf_multiple"},
    "academia-estrela.pt": {"dns_dmarc": "dmarc_rua_unauthorised"},
}


@pytest.fixture
def mock(tmp_path):
    with MockTenant(tmp_path, portal=0, dns=0, webmail=0) as running:
        yield running


def test_every_domain_is_what_it_is_said_to_be(mock):
    seen = asyncio.run(_audit_all(mock))
    assert seen.keys() == mock.company.domains.keys()
    for name, results in seen.items():
        codes = {
            c: [f.code for f in results[c].findings]
            for c in core_checks()
            if results[c].status != "ok"
        }
        expected = TRUTH.get(name, {})
        assert codes.keys() == expected.keys(), (name, codes)
        for check_id, code in expected.items():
            assert code in codes[check_id], (name, check_id)
    assert TRUTH.keys() <= seen.keys()
    assert sum(not TRUTH.get(name) for name in seen) >= 8


async def _audit_all(mock):
    config = NetConfig(
        dns_servers=(("127.0.0.1", mock.ports["dns"]),),
        allowed_networks=LOOPBACK,
        ca_file=mock.env["SSL_CERT_FILE"],
        check_seconds=6.0,
    )
    fields = mock.fields
    network = NetworkClients(config)

    async def audit(name):
        target = Target(
            domain=name,
            tenant=fields["name"],
            tenant_dkim_selectors=tuple(fields["dkim_selectors"]),
            **{
                key: fields[key]
                for key in ("portal_url", "portal_token", "spf_include", "webmail_url", "dmarc_rua")
            },
            **{key: tuple(fields[key]) for key in ("mail_hosts", "sending_ips")},
        )
        return await run(target, network.audit_session(target), set(core_checks()))

    try:
        names = list(mock.company.domains)
        return dict(zip(names, await asyncio.gather(*map(audit, names)), strict=True))
    finally:
        await network.close()
