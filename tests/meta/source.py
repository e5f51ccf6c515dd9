"""What the collectors' source says, read from its syntax trees."""

import ast
import gettext
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(
    r"(?:carbonio|portal|vhost|nginx|cert|mx|spf|dkim|dmarc|webmail|dns|resolver|check|"
    r"audit|server)_[a-z0-9_]+"
)
FINDINGS = {"fail", "warn", "info", "unknown"}


def trees():
    for path in sorted((ROOT / "collectors").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def called(node):
    """The plain name of what is called, or ''."""
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def sentences():
    """Every sentence that a collector may say: the first arguments of `_()`.

    Fails where one is not a literal.
    """
    found = set()
    for path, tree in trees():
        if path.name == "text.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == "_" and node.args:
                assert isinstance(node.args[0], ast.Constant), (
                    f"{path}:{node.lineno}: _() needs a literal"
                )
                found.add(node.args[0].value)
    return found


def catalogue(locale, folder=ROOT / "locale"):
    """{(a sentence in English, the number of its plural form or 0): what a language says}."""
    with (folder / f"{locale}/LC_MESSAGES/django.mo").open("rb") as file:
        said = gettext.GNUTranslations(file)._catalog
    return {key if isinstance(key, tuple) else (key, 0): text for key, text in said.items() if key}


def finding_codes():
    """Every code that a finding or a fault may carry: string literals of that form, but for the ids
    of checks and of the server card's rows, and whatever a finding is made with."""
    from collectors.registry import CHECKS
    from collectors.server.card import CARD

    found = set()
    for path, tree in trees():
        if path.name == "titles.py":
            continue  # it names what others find
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and CODE.fullmatch(node.value)
            ):
                found.add(node.value)
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in FINDINGS
            ):
                found.update(arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))
    return found - set(CHECKS) - set(CARD) - NOT_CODES


# Words of the same form that are no codes: keys of evidence, keys of the portal's answers.
NOT_CODES = {
    "check_host",
    "check_id",
    "dkim_selectors",
    "dmarc_rua",
    "dns_lookups",
    "server_names",
    "spf_include",
    "webmail_addresses",
    "webmail_target",
}
