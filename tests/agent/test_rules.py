"""What the agent promises of itself: one small file, for old Pythons, that asks for no key."""

import ast
import re
import subprocess
import sys

import pytest

from tests.agent.carbonio import AGENT, PYTHON39, ROOT, TOKEN, Carbonio, agent, domain_entry
from tests.agent.serving import Serving

SOURCE = AGENT.read_text()
TREE = ast.parse(SOURCE, feature_version=(3, 9))


def test_it_has_fewer_than_five_hundred_lines():
    assert len(SOURCE.splitlines()) < 500


def test_it_needs_the_standard_library_alone():
    imported = set()
    for node in ast.walk(TREE):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def test_private_keys_are_never_asked_for():
    for name in ("DKIMKey", "zimbraSSLPrivateKey", "zmdkimkeyutil"):
        assert name.lower() not in SOURCE.lower()
    asked = {name.lower() for name in agent.ATTRIBUTES.split()}
    assert "dkimpublickey" in asked and not {"*", "+", "dkimkey", "zimbrasslprivatekey"} & asked
    assert [word for word in asked if "key" in word] == ["dkimpublickey"]


def test_what_it_runs_is_named_and_nothing_goes_through_a_shell():
    assert SOURCE.count("subprocess.run(") == 1 and "shell" not in SOURCE
    programs = set(re.findall(r'\{root\}(/[a-z/]+/(?:s?bin)/[a-z]+)"', SOURCE))
    assert programs == {
        "/opt/zextras/common/bin/ldapsearch",
        "/opt/zextras/common/sbin/nginx",
        "/opt/zextras/bin/zmcontrol",
        "/opt/zextras/bin/configd",
        "/usr/bin/systemctl",
    }
    assert not re.search(r"(modify|delete|--?s (stop|reload)|restart|start)\b\"", SOURCE)


def test_every_function_says_what_it_is_for():
    for node in ast.walk(TREE):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            assert ast.get_docstring(node) or node.name in ("__init__", "known", "connected"), (
                node.name
            )


@pytest.mark.skipif(
    not PYTHON39.exists() and "CI" not in __import__("os").environ, reason="needs Python 3.9"
)
def test_it_runs_on_python_3_9(tmp_path):
    if not PYTHON39.exists():  # then its syntax alone was looked at, above
        return
    carbonio = Carbonio(tmp_path)
    carbonio.ldapsearch(domain_entry("cliente.pt"))
    carbonio.script("opt/zextras/common/sbin/nginx", "")
    assert carbonio.collect(python=PYTHON39) == ""
    with Serving(tmp_path, carbonio.snapshot, python=PYTHON39) as server:
        path = "/api/v1/domains/cliente.pt/carbonio"
        assert server.ask(path)[0] == 200 and server.ask(path, token=TOKEN + "x")[0] == 401
    done = subprocess.run(
        [PYTHON39, "-W", "error", AGENT, "check", "--snapshot", carbonio.snapshot],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == "" and "of 3 answers" in done.stdout


def test_the_wheel_is_without_it():
    assert '"agent"' not in (ROOT / "setup.py").read_text()
