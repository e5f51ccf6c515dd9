"""What is told of a try holds nothing of an address that may be secret."""

import pytest

from audit.notify.outcome import without


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://hooks.example.com/T0PSECRET?key=abcdefgh", "no T0PSECRET with abcdefgh"),
        ("https://hooks.example.com/a%2Fbcdefgh", "no a/bcdefgh, no a%2Fbcdefgh"),
        ("ntfys://user:hunter22@ntfy.example.com/topic-of-mine", "hunter22 at topic-of-mine"),
        ("https://hooks.example.com/?token=eyJhbGciOi.hunter22.s1gn", "eyJhbGciOi.hunter22.s1gn?"),
        ("https://hooks.example.com/T0PSECRET/T0PSECRET-abcdefgh", "T0PSECRET-abcdefgh is off"),
        ("tgram://123456789:AbCdEfGh/987654321", "bot 123456789 AbCdEfGh chat 987654321"),
    ],
)
def test_parts_of_an_address_are_taken_out(url, said):
    """Case 244."""
    kept = without(url, said)
    for secret in ("T0PSECRET", "abcdefgh", "bcdefgh", "hunter22", "topic-of", "AbCdEfGh", "98765"):
        assert secret not in kept
    assert "…" in kept


def test_the_host_and_the_words_stay():
    said = "hooks.example.com is away"
    assert without("https://hooks.example.com/T0PSECRET", said) == said
