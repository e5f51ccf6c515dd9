"""Case 219: nothing that stands in Redis is a program."""

import pickle

import pytest

from ligbox.cache_values import Json
from tests.test_settings import setting

ran = []


class Bomb:
    def __reduce__(self):
        return ran.append, ("it ran",)


@pytest.mark.parametrize("value", [0, 7, -1, 1.5, 1764151234.25, True, None, "x", [1], {"a": "é"}])
def test_what_is_put_in_comes_back(value):
    stored = Json().dumps(value)
    stored = str(stored).encode() if isinstance(stored, int) else stored  # as Redis hands it out
    assert Json().loads(stored) == value and type(Json().loads(stored)) is type(value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_not_loaded(protocol):
    assert Json().loads(pickle.dumps(Bomb(), protocol)) is None
    assert ran == []


@pytest.mark.parametrize("stored", [b"", b"\xff", b"{", b"[" * 100_000, b"x" * 1000])
def test_what_is_no_json_is_nothing(stored):
    assert Json().loads(stored) is None


def test_the_cache_of_redis_uses_it():
    caches = setting("CACHES", REDIS_URL="redis://127.0.0.1:6379/0")
    assert "'serializer': 'ligbox.cache_values.Json'" in caches
    from django.core.cache.backends.redis import RedisCache

    options = {"serializer": "ligbox.cache_values.Json"}
    cache = RedisCache("redis://127.0.0.1:1", {"OPTIONS": options})
    assert isinstance(cache._cache._serializer, Json)
