"""What the docs must keep up with."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def settings_read():
    """Every environment variable that the settings read."""
    text = (ROOT / "ligbox" / "settings.py").read_text()
    return set(
        re.findall(
            r'(?:read\(\s*"\w+",|dns_servers\(|host_names\(|block_lists\(|networks\(|secret_key\(|fernet_keys\(|queue_address\(|'
            r'contact\(|site_url\(|mail_server\(|mail_address\(|schemes\(|site_hosts\(|origins\(|authorities\()\s*"([A-Z_]+)"',
            text,
        )
    )


def test_every_setting_has_its_heading_and_its_line_in_the_example():
    names = settings_read()
    assert len(names) > 20
    headings = set(re.findall(r"^### ([A-Z_]+)$", (ROOT / "docs/settings.md").read_text(), re.M))
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert headings == names
    assert example == names


def test_every_command_is_in_the_docs():
    text = (ROOT / "docs/operations.md").read_text() + (ROOT / "docs/command-line.md").read_text()
    for path in (ROOT / "audit/management/commands").glob("[!_]*.py"):
        assert f"manage.py {path.stem}" in text, path.stem


def test_links_between_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_nothing_in_the_repository_names_a_machine_or_an_index():
    import subprocess

    files = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        .stdout.decode()
        .split("\0")
    )
    for name in filter(None, files):
        path = ROOT / name
        if path.suffix in (".png", ".mo") or not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            assert not re.search(r"(?<![\w.}/])/(?:work|root|farm)/[a-z.]", line), (
                f"{name}: {line.strip()[:100]}"
            )
            if name.startswith("requirements"):
                assert not re.match(r"\s*(--(extra-)?index-url|--find-links|-i http)", line), name


def test_every_path_in_the_developers_page_exists():
    text = (ROOT / "docs/development.md").read_text()
    roots = r"(?:audit|collectors|ligbox|tests|scripts|docs|bench)"
    for path in re.findall(rf"`({roots}/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
