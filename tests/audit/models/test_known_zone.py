"""The zone and its name servers as evidence and rows have them: whatever stands there."""

import pytest

from audit.models.known_zone import stored_zone, zone_in
from collectors.base import KnownZone

WHOLE = {"zone": "kunde.pt", "name_servers": ["ns1.a.pt", "ns2.a.pt"]}


def test_what_is_stored_is_read_again():
    assert stored_zone(zone_in(WHOLE)) == WHOLE


@pytest.mark.parametrize(
    "evidence",
    [
        {},
        {"zone": "kunde.pt"},
        {"zone": "kunde.pt", "name_servers": []},
        {"zone": "kunde.pt", "name_servers": "ns1… [4000 bytes]"},
        {"zone": ["kunde.pt"], "name_servers": ["ns1.a.pt"]},
        {"zone": "", "name_servers": ["ns1.a.pt"]},
        {"zone": "kunde.pt", "name_servers": [{"a": 1}, 7]},
    ],
)
def test_what_is_not_whole_says_nothing(evidence):
    assert zone_in(evidence) == KnownZone()
