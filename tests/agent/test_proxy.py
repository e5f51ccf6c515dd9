"""On a real nginx with includes as Carbonio makes them: hosts, certificates, `nginx -t`."""

import json
import os
import re
import time

import pytest

from mock_tenant.certificates import Authority
from tests.agent.carbonio import HOST, Carbonio, domain_entry, systemd_says, zmcontrol_says
from tests.deploy.nginx import installed

pytestmark = pytest.mark.skipif(not installed("nginx"), reason="needs nginx")
NAME = "webmail.cliente.pt"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def carbonio(tmp_path):
    made = Carbonio(tmp_path)
    made.ldapsearch(domain_entry("cliente.pt"))
    return made


@pytest.fixture
def site(carbonio, authority):
    """The domain's virtual host with its certificate, as issued; the PEM of the leaf."""
    leaf, chain, key = authority.leaf(NAME, -1, 89)
    carbonio.sites({NAME: carbonio.certificate("cliente.pt", leaf + chain, key)})
    return leaf


def test_a_virtual_host_and_the_leaf_of_its_certificate(carbonio, site):
    assert carbonio.collect() == ""
    assert carbonio.answer("nginx", "cliente.pt") == (
        200,
        {"vhost": True, "server_names": [NAME], "tls": True, "config_ok": True, "running": True},
    )
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": site})


def test_what_is_commented_out_quoted_or_deeper_is_no_virtual_host(carbonio, site):
    carbonio.ldapsearch(domain_entry("cliente.pt", zimbraVirtualHostname=["not.this.one", NAME]))
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["server_names"] == [NAME]
    (carbonio.includes / "nginx.conf.web").write_text(
        (carbonio.includes / "nginx.conf.web").read_text().replace("include", "#include")
    )
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is False


def test_a_domain_without_a_virtual_host_is_told_so_while_the_configuration_is_whole(
    carbonio, site
):
    carbonio.ldapsearch(domain_entry("cliente.pt") + domain_entry("outro.pt"))
    carbonio.collect()
    state = {"config_ok": True, "running": True}
    assert carbonio.answer("nginx", "outro.pt") == (200, {"vhost": False, **state})
    assert carbonio.answer("certificate", "outro.pt")[0] == 404
    with (carbonio.includes / "nginx.conf.web.https").open("a") as file:
        file.write('server {\n server_name "web')  # as it is while it is being written
    carbonio.collect()
    for domain in ("outro.pt", "cliente.pt"):  # of this one the host without TLS is left to be seen
        assert [status for status, _answer in carbonio.answers(domain)] == [200, 503, 503]


def test_a_name_without_a_host_of_its_own_is_served_by_the_default_one(carbonio, authority):
    """So nginx does it, and so a wildcard certificate of the host's serves all names."""
    leaf, chain, key = authority.leaf("*.host.test", -1, 89)
    path = carbonio.certificate("nginx", leaf + chain, key)
    carbonio.ldapsearch(domain_entry("cliente.pt", zimbraVirtualHostname="cliente.host.test"))
    carbonio.sites({}, default=("_own", path))
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["server_names"] == ["cliente.host.test"]
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": leaf})
    file = carbonio.includes / "nginx.conf.web.https.default"
    file.write_text(file.read_text().replace("set $login", "return 400;\n    set $login", 1))
    carbonio.collect()  # the strict one refuses all names that are not known
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is False
    assert carbonio.answer("certificate", "cliente.pt")[0] == 404


def test_a_domain_without_names_is_at_the_public_or_the_servers_own_name(carbonio, authority):
    leaf, chain, key = authority.leaf(HOST, -1, 89)
    carbonio.sites({}, default=("_own", carbonio.certificate("nginx", leaf + chain, key)))
    config = "dn: cn=config,cn=zimbra\nobjectClass: zimbraGlobalConfig\n"
    for public, name in (
        ("", HOST),
        ("zimbraPublicServiceHostname: Web.Host.Test.\n", "web.host.test"),
    ):
        domain = domain_entry("cliente.pt", zimbraVirtualHostname=None)
        carbonio.ldapsearch(f"{config}{public}\n{domain}")
        carbonio.collect()
        assert carbonio.answer("nginx", "cliente.pt")[1]["server_names"] == [name]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.cliente.pt", 1), (".cliente.pt", 1), ("webmail.*", 0), (r'"~^web\w+\.cliente\.pt$"', 0)],
)
def test_patterns_of_names(carbonio, authority, pattern, names):
    """Those with a name behind them are read as nginx reads them; of the others nothing is said."""
    leaf, chain, key = authority.leaf(NAME, -1, 89)
    carbonio.sites({pattern: carbonio.certificate("cliente.pt", leaf + chain, key)})
    carbonio.collect()
    status, answer = carbonio.answer("nginx", "cliente.pt")
    assert (status, len(answer.get("server_names", ()))) == ((200, 1) if names else (503, 0))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("nginx.conf.web", "include {inc}/custom.conf;"),
        ("nginx.conf.web", "include   '{inc}/custom.conf' ;"),
        ("nginx.conf.web", "include {inc}/cust*.conf;"),
        ("nginx.conf.web", "charset utf-8; include {inc}/custom.conf;"),
        ("nginx.conf.web", "server {{ listen 127.0.0.1:{port}; server_name webmail.outro.pt; }}"),
        ("nginx.conf.web", "server\n{{\n listen 127.0.0.1:{port};\n}}"),
        ("nginx.conf.web.https", "include {inc}/custom.conf;"),
        ("nginx.conf.web.https", "include {inc}/cust*.conf;"),
    ],
)
def test_hosts_that_stand_elsewhere_are_not_taken_for_missing(carbonio, site, file, line):
    """What an administrator includes may have the host: nothing is said of names not found."""
    carbonio.ldapsearch(domain_entry("cliente.pt") + domain_entry("outro.pt"))
    (carbonio.includes / "custom.conf").write_text("# whatever stands here\n")
    line = line.format(inc=carbonio.includes, port=carbonio.https)
    place = carbonio.includes / file
    text = place.read_text()
    at = text.rindex("}") if file == "nginx.conf.web" else len(text)
    place.write_text(f"{text[:at]}\n{line}\n{text[at:]}")
    carbonio.collect()
    assert [status for status, _ in carbonio.answers("cliente.pt")] == [200, 200, 200]
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is True
    assert [status for status, _ in carbonio.answers("outro.pt")] == [200, 503, 503]


@pytest.mark.parametrize("line", ["# include {inc}/custom.conf;", "include {inc}/mime.types;"])
def test_what_includes_no_hosts_hides_none(carbonio, site, line):
    carbonio.ldapsearch(domain_entry("outro.pt"))
    (carbonio.includes / "mime.types").write_text("types { text/html html; }\n")
    place = carbonio.includes / "nginx.conf.web"
    text = place.read_text()
    at = text.rindex("}")
    place.write_text(f"{text[:at]}\n{line.format(inc=carbonio.includes)}\n{text[at:]}")
    carbonio.collect()
    assert carbonio.answer("nginx", "outro.pt")[1]["vhost"] is False


@pytest.mark.parametrize("inherited", [True, False])
def test_a_certificate_that_is_not_named_at_the_host_is_not_taken_for_none(
    carbonio, site, inherited
):
    """It is inherited, or stands in a file that the host includes: nginx takes both."""
    place = carbonio.includes / "nginx.conf.web.https"
    lines = re.findall(r"\s*ssl_certificate\S*\s+[^;]+;", place.read_text())
    snippet = carbonio.includes / "tls.snippet"
    snippet.write_text("".join(lines))
    text = place.read_text()
    for line in lines:
        text = text.replace(line, "")
    if inherited:
        web = carbonio.includes / "nginx.conf.web"
        web.write_text(web.read_text().replace("access_log off;", f"{''.join(lines)}"))
    else:
        text = text.replace("client_max_body_size", f"include {snippet};\n client_max_body_size")
    place.write_text(text)
    carbonio.collect()
    answer = carbonio.answer("nginx", "cliente.pt")
    assert answer[0] == 200 and answer[1]["tls"] and answer[1]["config_ok"]
    assert carbonio.answer("certificate", "cliente.pt")[0] == 503


def test_a_host_without_tls(carbonio):
    carbonio.sites({}, plain=[NAME])
    carbonio.collect()
    answer = carbonio.answer("nginx", "cliente.pt")[1]
    assert answer["vhost"] and answer["tls"] is False
    assert carbonio.answer("certificate", "cliente.pt")[0] == 404


def test_a_configuration_that_nginx_does_not_take(carbonio, site):
    with (carbonio.includes / "nginx.conf.main").open("a") as file:
        file.write("no_such_directive on;\n")
    carbonio.collect()
    answer = carbonio.answer("nginx", "cliente.pt")[1]
    assert (answer["vhost"], answer["config_ok"], answer["running"]) == (True, False, True)


def test_a_certificate_that_is_gone_breaks_the_configuration_and_the_directory_has_it(
    carbonio, site
):
    carbonio.ldapsearch(domain_entry("cliente.pt", zimbraSSLCertificate=site))
    (carbonio.conf / "domaincerts/cliente.pt.crt").unlink()
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is False
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": site})
    carbonio.ldapsearch(domain_entry("cliente.pt"))
    carbonio.collect()
    assert carbonio.answer("certificate", "cliente.pt")[0] == 503


@pytest.mark.parametrize("form", ["{pem}", '"{pem}"', '"data:{pem}"'])
def test_a_certificates_text_where_the_path_belonged(carbonio, authority, form):
    leaf, chain, _key = authority.leaf(NAME, -1, 89)
    carbonio.sites({NAME: form.format(pem=leaf + chain)})
    carbonio.collect()
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": leaf})
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is False


def test_a_key_in_such_a_text_is_not_kept(carbonio, authority):
    leaf, chain, key = authority.leaf(NAME, -1, 89)
    carbonio.sites({NAME: key + leaf + chain})
    carbonio.collect()
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": leaf})
    assert "PRIVATE" not in carbonio.snapshot.read_text()
    carbonio.sites({NAME: key})
    carbonio.collect()
    assert carbonio.answer("certificate", "cliente.pt")[0] == 503
    assert key.splitlines()[1] not in carbonio.snapshot.read_text()


def test_what_was_read_is_read_again_once_it_is_another(carbonio, site):
    carbonio.collect()
    file = carbonio.includes / "nginx.conf.web.https"
    kept = json.loads(carbonio.snapshot.read_text())
    kept["files"][str(file)][1][0]["names"] = ["known.from.before"]
    carbonio.snapshot.write_text(json.dumps(kept))
    carbonio.ldapsearch(domain_entry("cliente.pt", zimbraVirtualHostname="known.from.before"))
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is True
    file.write_text(file.read_text())
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is False


@pytest.mark.parametrize("text", ["", "[]", '{"files": []}', '{"files": {"%s": 1}}', "{}"])
def test_an_older_snapshot_that_is_damaged_is_made_good_within_two_looks(carbonio, site, text):
    file = carbonio.includes / "nginx.conf.web.https"
    carbonio.snapshot.write_text(text % file if "%s" in text else text)
    carbonio.collect()
    assert carbonio.answer("carbonio", "cliente.pt")[0] == 200
    assert carbonio.collect() == ""
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is True


def test_files_that_include_each_other_end(carbonio, site):
    web = carbonio.includes / "nginx.conf.web"
    web.write_text(web.read_text() + f"include {web};\n")
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["vhost"] is True


def test_a_key_in_the_certificates_file_stays_there(carbonio, authority):
    leaf, chain, key = authority.leaf(NAME, -1, 89)
    carbonio.sites({NAME: carbonio.certificate("cliente.pt", key + leaf + chain, key)})
    carbonio.collect()
    assert carbonio.answer("certificate", "cliente.pt") == (200, {"pem": leaf})
    assert "PRIVATE" not in carbonio.snapshot.read_text()


# -- how it was generated


def test_without_success_nothing_is_said_of_the_configuration(carbonio, site):
    """It is being generated, or that went wrong: neither "fine" nor "broken"."""
    carbonio.sites({NAME: carbonio.conf / "domaincerts/cliente.pt.crt"}, mark="")
    carbonio.collect()
    for what in ("nginx", "certificate"):
        status, answer = carbonio.answer(what, "cliente.pt")
        assert status == 503 and "__SUCCESS__" in answer["detail"]
    assert carbonio.answer("carbonio", "cliente.pt")[0] == 200


def test_the_newer_generator_leaves_no_mark(carbonio, site):
    carbonio.sites({NAME: carbonio.conf / "domaincerts/cliente.pt.crt"}, mark="")
    (carbonio.zextras / "bin/configd").write_text("")
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is True


@pytest.mark.parametrize(
    ("error", "ok"),
    [
        ("virtual host name is not resolvable", False),
        ("No available nginx lookup handlers could be contacted", True),
    ],
)
def test_an_error_of_the_generator(carbonio, site, error, ok):
    """The second one is no reason for Carbonio not to start nginx."""
    mark = f"#__CONF_GEN_ERROR__:{error}"
    carbonio.sites({NAME: carbonio.conf / "domaincerts/cliente.pt.crt"}, mark=mark)
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is ok


def test_what_is_written_while_it_is_read_is_not_judged(carbonio, site):
    carbonio.script("opt/zextras/common/sbin/nginx", "")
    nginx = carbonio.zextras / "common/sbin/nginx"
    nginx.write_text(f"#!/bin/sh\necho '#' >>{carbonio.includes}/nginx.conf.web.https\n")
    carbonio.collect()
    status, answer = carbonio.answer("nginx", "cliente.pt")
    assert status == 503 and "while it was read" in answer["detail"]


@pytest.mark.parametrize("error", ["(13: Permission denied)", "(30: Read-only file system)"])
def test_what_the_agent_may_not_do_is_not_held_against_nginx(carbonio, site, error):
    said = f'nginx: [emerg] open() "/opt/zextras/log/nginx.log" failed {error}'
    carbonio.script("opt/zextras/common/sbin/nginx", "", 1, said)
    carbonio.collect()
    status, answer = carbonio.answer("nginx", "cliente.pt")
    assert status == 503 and error in answer["detail"]


# -- the node


def test_a_node_without_the_proxy_says_nothing_of_it(carbonio, site):
    carbonio.systemd(systemd_says(["directory-server", "appserver"], ["openldap", "appserver"]))
    carbonio.collect()
    for what in ("nginx", "certificate"):
        assert carbonio.answer(what, "cliente.pt") == (
            503,
            {"detail": "this node has no proxy role"},
        )
    assert carbonio.answer("carbonio", "cliente.pt")[1]["services"] == {
        "directory-server": "running", "mailbox": "running",
    }  # fmt: skip


def test_a_proxy_that_does_not_run(carbonio, site):
    carbonio.systemd(systemd_says(nginx="failed"))
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["running"] is False
    assert carbonio.answer("carbonio", "cliente.pt")[1]["services"]["proxy"] == "failed"
    carbonio.zmcontrol(zmcontrol_says(proxy="Stopped"))
    carbonio.collect()
    assert carbonio.answer("nginx", "cliente.pt")[1]["running"] is False


def counted(carbonio, seconds=0.0, code=0):
    """A program in nginx's place that takes its time and counts how often it is run."""
    program = carbonio.zextras / "common/sbin/nginx"
    program.unlink(missing_ok=True)
    runs = carbonio.root / "runs"
    program.write_text(f"#!/bin/sh\necho x >>'{runs}'\nsleep {seconds}\nexit {code}\n")
    program.chmod(0o755)
    return lambda: len(runs.read_text().split()) if runs.exists() else 0


def as_if_tested(carbonio, took, age):
    """What it last said of nginx -t, as if it had been so long ago and taken so long."""
    data = json.loads(carbonio.snapshot.read_text())
    ended = time.time() - age
    data["tested"] = [ended - took, data["tested"][1], ended]
    carbonio.snapshot.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("took", "age", "again"),
    [(0.2, 55, 1), (14, 55, 0), (14, 239, 0), (14, 241, 1), (60, 3600, 1), (14, -60, 1)],
)
def test_a_long_test_of_the_configuration_is_not_made_each_minute(carbonio, site, took, age, again):
    """With thousands of hosts it loads thousands of keys: a quarter of a processor, for ever."""
    runs = counted(carbonio)
    carbonio.collect()
    assert runs() == 1
    as_if_tested(carbonio, took, age)
    carbonio.collect()
    assert runs() == 1 + again
    assert carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is True


def test_what_was_written_anew_or_is_broken_is_tested_at_once(carbonio, site):
    runs = counted(carbonio)
    carbonio.collect()
    as_if_tested(carbonio, 60, 1)
    file = carbonio.includes / "nginx.conf.web.https"
    file.write_text(file.read_text() + "\n")
    counted(carbonio, code=1)
    carbonio.collect()
    assert runs() == 2 and carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is False
    as_if_tested(carbonio, 60, 1)
    counted(carbonio)
    carbonio.collect()
    assert runs() == 3 and carbonio.answer("nginx", "cliente.pt")[1]["config_ok"] is True


def test_two_thousand_virtual_hosts(carbonio, authority):
    leaf, chain, key = authority.leaf(NAME, -1, 89)
    path = carbonio.certificate("cliente.pt", leaf + chain, key)
    carbonio.sites({f"webmail.d{number}.pt": path for number in range(2000)})
    long = (carbonio.includes / "nginx.conf.web.https").read_text()
    filler = "    location /x\n    {\n        proxy_set_header Host $http_host;\n    }\n"
    long = re.sub(r"(?m)^    location = /robots.txt$", filler * 100 + r"\g<0>", long)
    (carbonio.includes / "nginx.conf.web.https").write_text(long)  # as long as Carbonio's are
    assert len(long) > 10 << 20
    carbonio.script("opt/zextras/common/sbin/nginx", "")  # its own time is not ours
    carbonio.ldapsearch("".join(domain_entry(f"d{number}.pt") for number in range(2000)))
    before = os.times()
    carbonio.collect()
    used = os.times().children_user - before.children_user
    assert carbonio.answer("nginx", "d1999.pt")[1]["server_names"] == ["webmail.d1999.pt"]
    before = os.times()
    carbonio.collect()
    assert os.times().children_user - before.children_user < used  # what it knows is not read again
    assert used < 60 and carbonio.snapshot.stat().st_size < 16 << 20
