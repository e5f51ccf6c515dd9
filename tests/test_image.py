"""Containerfile and compose.yaml, checked without a container runtime: what they name exists, what
they promise holds, and the image's steps and processes run from what is copied alone."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from scripts.ports import Reserved
from tests.installation import ROOT, wait
from tests.test_wheel import BESIDE, PACKAGES, project_files

VENV = str(Path(sys.prefix) / "bin")


def instructions():
    """(word, rest) of every instruction, continued lines joined; a stage begins with FROM."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (ROOT / "Containerfile").read_text()))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line]


def stages():
    found = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def of(stage, word):
    return [rest for name, rest in stage if name == word]


def copied():
    """The paths of the project that the image is made from."""
    sources = [shlex.split(rest) for rest in of(stages()[0], "COPY")]
    return [path for *paths, _to in sources for path in paths]


def command():
    """What a container of the image runs."""
    (text,) = of(stages()[-1], "CMD")
    return json.loads(text)


# -- what is written


def test_what_is_copied_exists_and_is_all_that_the_product_needs():
    files = project_files()
    for path in copied():
        assert any(name == path or name.startswith(f"{path}/") for name in files), path
    assert {*PACKAGES, *BESIDE, "manage.py", "requirements.txt"} <= set(copied())


def test_nothing_else_reaches_the_builder():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    assert lines[0][0] == "#" and lines[1] == "*"
    assert {line[1:] for line in lines if line[0] == "!"} == set(copied())


def test_the_image_is_small_pinned_unprivileged_and_without_secrets():
    build, final = stages()
    bases = [rest.split()[0] for stage in (build, final) for rest in of(stage, "FROM")]
    assert len(set(bases)) == 1 and re.fullmatch(r"docker\.io/.+:3\.\d+-slim-[a-z]+", bases[0])
    installs = [rest for rest in of(build, "RUN") if "pip install" in rest]
    assert all("--require-hashes" in r and "--no-cache-dir" in r for r in installs) and installs
    assert not of(final, "ADD") and not of(build, "ADD") and not of(build, "ARG")
    assert all(rest.startswith("--from=build ") for rest in of(final, "COPY"))
    assert not re.search(r"KEY|PASSWORD|TOKEN", " ".join(of(final, "ENV") + of(build, "ENV")))
    assert of(final, "USER") == ["10001:10001"]  # a number: Kubernetes knows that it is not root
    assert "--uid 10001" in of(final, "RUN")[0] and "--gid 10001" in of(final, "RUN")[0]
    assert isinstance(command(), list)
    (health,) = of(final, "HEALTHCHECK")
    assert "/healthz" in health and json.loads(health.partition(" CMD ")[2])


def test_compose_names_what_exists_and_gives_nobody_more_than_it_needs():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"migrate", "web", "worker", "database", "queue"}
    settings = set(re.findall(r"^### (\w+)", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged") and "network_mode" not in service, name
        for port in service.get("ports", []):
            address, outer, inner = port.split(":")
            assert address == "127.0.0.1" and int(outer) > 1023 and int(inner) > 1023
        for other, when in service.get("depends_on", {}).items():
            healthy = when["condition"] == "service_healthy"
            assert healthy == ("test" in services[other].get("healthcheck", {})), (name, other)
            assert healthy or when["condition"] == "service_completed_successfully"
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(compose["volumes"]), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
            assert set(service["environment"]) <= settings, name
        else:
            assert ":" in service["image"] and service["networks"] == ["inside"], name
            assert service["user"] != "root", name
    assert services["migrate"]["restart"] == "no"
    assert {name for name, s in services.items() if "ports" in s} == {"web"}
    assert int(services["worker"]["stop_grace_period"][:-1]) > 180  # as long as a task may take


def test_every_secret_that_compose_wants_is_told_and_none_is_written_down():
    text = (ROOT / "compose.yaml").read_text()
    wanted = set(re.findall(r"\$\{(\w+)", text))
    told = (ROOT / "docs/containers.md").read_text()
    assert wanted == {"POSTGRES_PASSWORD"} and "POSTGRES_PASSWORD=$(" in told
    assert not re.search(r"(PASSWORD|KEY)S?: (?!\$\{)", text)
    assert ".env" in (ROOT / ".gitignore").read_text().split()


# -- what runs


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder /app of the image: what is copied, after its own steps, and read-only."""
    app = tmp_path_factory.mktemp("image") / "app"
    names = [n for n in project_files() if any(n == p or n.startswith(f"{p}/") for p in copied())]
    for name in names:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, app / name)
    for step in of(stages()[0], "RUN"):
        if "pip install" not in step:  # what it installs is here already
            subprocess.run(
                ["sh", "-ec", step.replace("/venv/bin", VENV)],
                cwd=app,
                env={"PATH": os.environ["PATH"]},
                check=True,
            )
    assert (app / "staticfiles/staticfiles.json").is_file()
    for path in [*app.rglob("*"), app]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield app
    for path in [app, *app.rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)


def powerless(*argv):
    """A command as a user without powers: one who may not read or write past permissions."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    return [*drop, *argv]


@contextmanager
def running(app, env, *argv):
    with (
        (Path(env["HOME"]) / f"{Path(argv[-1]).name}.log").open("w") as log,
        subprocess.Popen(powerless(*argv), cwd=app, env=env, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def test_web_and_worker_run_from_a_read_only_image(image, tmp_path):
    final = stages()[-1]
    env = {
        "PATH": f"{VENV}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ALLOWED_HOSTS": "audit.example.com",
        "SECRET_KEY": "k" * 60,
        "PROXIES": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
    }
    for setting in " ".join(of(final, "ENV")).split():
        name, _, value = setting.partition("=")
        if name != "PATH":
            env[name] = value
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    written = subprocess.run(powerless("touch", str(image / "x")), capture_output=True, check=False)
    assert b"Permission denied" in written.stderr
    migrate = powerless(*compose["migrate"]["command"], "-v0")
    subprocess.run(migrate, cwd=image, env=env, check=True)
    with Reserved() as one:
        web = [word.replace("0.0.0.0:8000", f"127.0.0.1:{one.port}") for word in command()]
        url = f"http://127.0.0.1:{one.port}"
        with running(image, env, *web), running(image, env, *compose["worker"]["command"]):
            wait(lambda: status(url + "/healthz") == 200, 60, "the web answers")
            (health,) = of(final, "HEALTHCHECK")
            look = json.loads(health.partition(" CMD ")[2].replace("127.0.0.1:8000", url[7:]))
            assert subprocess.run(powerless(*look), cwd=image, env=env, check=False).returncode == 0
            wait(lambda: status(url + "/readyz") == 200, 60, "a worker was seen")


def status(url):
    """What the site answers behind its proxy; None where nobody does."""
    headers = {"Host": "audit.example.com", "X-Forwarded-Proto": "https"}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
