"""What the processes that audit have counted, added up for all of them."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import connection, models
from django.utils import timezone

# upper bounds of the buckets of an audit's duration, in seconds
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
ENDLESS = "+Inf"
GIVEN_UP, DISCARDED = "given_up", "discarded"  # what an audit comes to, beside a domain's status
Key = tuple[str, str]  # what is counted, and of which kind ('' where there is one)


class Tally(models.Model):
    """A number that only grows, of all processes on all hosts since the database was made.

    A process counts in memory and adds what it has now and then, in one statement; so there is a
    row a kind and none a process, and neither a restart nor a worker that is gone takes anything
    back. Of PORTAL_LEFT_ALONE it is no number but when that was last seen, in seconds since 1970.
    """

    AUDITS = "audits"  # kind: what became of them
    AUDIT_SECONDS = "audit_seconds"  # all together
    AUDITS_WITHIN = "audits_within"  # kind: the upper bound of a bucket, in seconds
    LOOKUPS = "lookups"  # kind: what DNS said
    CACHE_HITS = "cache_hits"
    PORTAL_LEFT_ALONE = "portal_left_alone"  # kind: scheme, host and port

    name = models.CharField(max_length=30)
    kind = models.CharField(max_length=255, default="", blank=True)
    value = models.FloatField(default=0)

    class Meta:
        db_table = "audit_tallies"
        constraints = [models.UniqueConstraint(fields=["name", "kind"], name="audit_tally_unique")]

    def __str__(self) -> str:
        return f"{self.name} {self.kind}: {self.value:g}"

    @classmethod
    def add(cls, numbers: Mapping[Key, float]) -> None:
        """Add to each; in one order, so that two that add to the same wait and never crosswise."""
        cls._write(numbers, "audit_tallies.value + excluded.value")

    @classmethod
    def note_portals(cls, left_alone: Mapping[str, bool]) -> None:
        """Whether portals, by their origin, are left alone at this moment."""
        now = timezone.now().timestamp()
        seen = {(cls.PORTAL_LEFT_ALONE, o): now * is_left for o, is_left in left_alone.items()}
        cls._write(seen, "excluded.value")

    @classmethod
    def _write(cls, values: Mapping[Key, float], value: str) -> None:
        if not values:
            return
        rows = [part for key in sorted(values) for part in (*key, values[key])]
        places = ", ".join(["(%s, %s, %s)"] * len(values))
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO audit_tallies (name, kind, value) VALUES {places} "  # noqa: S608 - no input
                f"ON CONFLICT (name, kind) DO UPDATE SET value = {value}",
                rows,
            )

    @classmethod
    def forget_portals(cls) -> int:
        """Delete the rows of portals that were not left alone for a day; how many."""
        before = (timezone.now() - timedelta(days=1)).timestamp()
        return cls.objects.filter(name=cls.PORTAL_LEFT_ALONE, value__lt=before).delete()[0]
