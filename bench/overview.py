"""The overview with 100,000 domains against 1,000: every filter, order and page, API and HTML.

    .venv/bin/python -m bench.overview [--quick] [SQLite] [PostgreSQL]

Processor time of web process and database, medians of seven. Of each list the first page, the
second and one in the middle. Nothing that is kept for a while is used: the cache is emptied before
each request.
"""

import json
import statistics
import sys

from bench.large import DATABASES, Clock, each_database, fill_domains, open_project
from bench.measure import Row, at_most, options, tell

API, PAGE = "/api/v1/audit/overview", "/"
GOAL = 1.5


def queries(quick):
    """Every filter with every value (`quick`: its first), and searches: a name, a part that many
    have, one that none has."""
    from audit.reading.filters import FILTERS

    searched = {"q": ["cliente000777", "cliente", "zzz"], "tenant": [2], "incident": [1]}
    yield ""
    for name, entry in FILTERS.items():
        if name != "sort":
            values = entry.values or searched[name]
            yield from (f"{name}={value}" for value in (values[:1] if quick else values))


def middle(client, order):
    """The cursor of a page in the middle of the list in this order, by going there."""
    cursor, passed = "", 0
    while True:
        found = client.get(f"{API}?sort={order}&limit=200&cursor={cursor}").json()
        passed += len(found["cards"])
        if not found["next_cursor"] or passed * 2 >= found["summary"]["domains"]:
            return cursor
        cursor = found["next_cursor"]


def measure(count, rounds):
    """{"face query": ms} of a database with so many domains."""
    open_project()
    from django.contrib.auth.models import User
    from django.core.cache import cache
    from django.test import Client

    from audit.reading.filters import ORDERS

    fill_domains(count)
    client, clock, found = Client(HTTP_HOST="localhost"), Clock(), {}
    client.force_login(User.objects.create_superuser("bench"))

    def get(url):
        cache.clear()
        answer = client.get(url)
        assert answer.status_code == 200, (url, answer.status_code)
        return answer

    for order in ORDERS:
        cursors = {"middle": middle(client, order)}
        for query in queries(quick=rounds == 1):
            url = f"{API}?{query}&sort={order}&limit=60"
            following = get(url).json()["next_cursor"] or ""
            for face in (API, PAGE):
                places = {"first": "", "second": following} | ({} if query else cursors)
                for place, cursor in places.items():
                    if cursor or place == "first":
                        url = f"{face}?{query}&sort={order}&cursor={cursor}"
                        found[f"{face} {query or 'all'} {order} {place}"] = clock.ms(
                            lambda url=url: get(url), rounds
                        )
    print(json.dumps(found))


def main():
    if sys.argv[1:2] == ["--measure"]:
        measure(*map(int, sys.argv[2:4]))
        return
    found = options(__doc__, DATABASES, DATABASES[:1], few=(1000, 100), many=(100_000, 200))
    sizes = sorted({found.few, *([] if found.quick else [10_000]), found.many})
    all_rows = []
    results = each_database(found.parts, "bench.overview", sizes, quick=found.quick)
    for database in found.parts:
        few, many = results[database, found.few], results[database, found.many]
        for face, title in ((API, "API"), (PAGE, "page")):
            lists = [key for key in few if key.startswith(f"{face} ") and key in many]
            ratios = {key.partition(" ")[2]: many[key] / few[key] for key in lists}
            worst = sorted(ratios, key=ratios.get, reverse=True)
            what = (
                f"overview, {title}, {database}: worst list, {found.many:,} / {found.few:,} domains"
            )
            said = ", ".join(f"{key} {ratios[key]:.2f}" for key in worst[:4])
            all_rows.append(at_most(what, f"{said} of {len(lists)}", ratios[worst[0]], GOAL))
            for size in sizes:
                took = [ms for key, ms in results[database, size].items() if key in lists]
                said = f"{statistics.median(took):.1f} ms ({min(took):.1f} to {max(took):.1f})"
                all_rows.append(Row(f"overview, {title}, {database}, {size:,} domains: CPU", said))
    tell(all_rows, found)


if __name__ == "__main__":
    main()
