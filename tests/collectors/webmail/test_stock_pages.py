"""Stock pages of servers and panels are told from pages that only mention them."""

import pytest

from collectors.webmail.stock_pages import stock_page
from tests.collectors.visits import hostile, verdict, visit

__all__ = ["hostile"]


@pytest.mark.parametrize(
    ("path", "product"),
    [
        ("/nginx", "nginx"),
        ("/apache", "Apache"),
        ("/debian", "Apache"),
        ("/parked", "Sedo"),
        ("/nginx-with-location", "nginx"),
    ],
)
def test_a_placeholder_page_fails_and_is_named(hostile, path, product):
    result = visit(hostile, path)
    assert verdict(result) == ("fail", ["webmail_default_page"])
    assert product in str(result.message)


def test_a_page_that_only_mentions_servers_is_none(hostile):
    assert verdict(visit(hostile, "/mentions-nginx")) == ("ok", [])


@pytest.mark.parametrize(
    ("title", "text", "url", "product"),
    [
        ("Test Page for the Nginx HTTP Server on Fedora", "", "", "nginx"),
        ("HTTP Server Test Page powered by: Rocky Linux", "", "", "Apache"),
        (
            "Test Page for the HTTP Server on Red Hat Enterprise Linux",
            "",
            "",
            "web server (test page)",
        ),
        ("It works! Apache httpd", "", "", "Apache"),
        ("IIS Windows Server", "", "", "IIS"),
        ("Index of /", "", "", "web server (an empty directory)"),
        ("", "", "https://www.sedo.com/search/?domain=kunde.test", "Sedo"),
        ("", "", "https://notsedo.com/", ""),
        ("Carbonio Login", "<h1>It works!</h1>", "", ""),
        ("Index of /mail", "", "", ""),
        ("kunde.test is for sale | HugeDomains", "", "", "HugeDomains"),
        ("", "<HTML><body><h1>It works!</h1></body></html>", "", "Apache"),
        ("", "", "", ""),
        ("Success!", "", "", "HestiaCP"),
        ("x", "<h1>Your new web server is ready to use.</h1>", "", "HestiaCP"),
        ("x", '<meta content="This is a default index page for a new domain.">', "", "HestiaCP"),
        ("kunde.test — Website Suspended", "", "", "a suspended site"),
        ("Account Suspended", "", "", "a suspended site"),
        ("Welcome!", "This is the default index page of your website.", "", "ISPConfig"),
        ("Webmail", "Sign in. A suspended account cannot.", "", ""),
        ("Welcome to nginx on Amazon Linux!", "", "", "nginx"),
        ("Congratulation | OpenLiteSpeed Web Server", "", "", "LiteSpeed"),
        ("Microsoft Internet Information Services 8.5", "", "", "IIS"),
        ("Default Parallels Plesk Panel Page", "", "", "Plesk"),
        ("Domain not configured", "", "", "Froxlor"),
        ("没有找到站点", "", "", "aaPanel"),
        ("", "<html>Apache is functioning normally</html>", "", "DirectAdmin"),
        ("", "<html><body>nginx is functioning normally</body></html>\n", "", "DirectAdmin"),
        ("webmail.kunde.test — Website Suspended", "", "", "a suspended site"),
        (
            "webmail.kunde.test — Coming Soon",
            "This is a default index page for a new domain.",
            "",
            "HestiaCP",
        ),
        ("Roundcube Webmail", "<a href='https://www.ispconfig.org'>ISPConfig</a>", "", ""),
        ("SnappyMail", "Powered by <a href=https://hestiacp.com>HestiaCP</a>", "", ""),
        ("Mail", "<input type='password'> //hestiacp.com", "", ""),
        ("Login - is your account suspended?", "", "", ""),
        ("Conta suspensa", "", "", "a suspended site"),
        ("Esta cuenta ha sido suspendida", "", "", "a suspended site"),
        ("Compte suspendu", "", "", "a suspended site"),
        ("Site em construção", "", "", "a site under construction"),
        ("kunde.test — Em construção", "", "", "a site under construction"),
        ("Página en construcción", "", "", "a site under construction"),
        ("Hier entsteht eine neue Webseite", "", "", "a site under construction"),
        ("Coming Soon", "", "", "a site under construction"),
        ("Em breve!", "", "", "a site under construction"),
        ("Obras em construção e reabilitação", "", "", ""),
        ("Correio da Em Breve Lda", "", "", ""),
        ("Webmail em construção", "<input type=password>", "", ""),
        ("kunde.test está à venda", "", "", "a parked domain"),
        ("This domain is parked", "", "", "a parked domain"),
        ("Domínio estacionado", "", "", "a parked domain"),
        ("Casas à venda em Lisboa", "", "", ""),
        ("Parked Domain name on Hostinger DNS system", "", "", "Hostinger"),
        ("Directory listing for /", "", "", "web server (an empty directory)"),
        ("webmail.kunde.test - /", "", "", "web server (an empty directory)"),
    ],
)
def test_stock_pages_are_told_by_signs_that_nothing_else_has(title, text, url, product):
    assert stock_page(url or "https://webmail.kunde.test/", title, text) == product
