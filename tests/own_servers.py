"""Given to pytest as a plugin (`-p`), before Django reads its settings: each of several processes
has a Redis database of its own. Their PostgreSQL databases are pytest-django's."""

import os

if worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    before, _, number = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{before}/{int(number) + 1 + int(worker.removeprefix('gw'))}"
