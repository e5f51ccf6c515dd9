"""What stands in the shared cache: numbers, as JSON. Django would write pickles, and run what
anybody put there who can write to Redis."""

import json
from typing import Any


class Json:
    """The serializer of the cache (settings.CACHES). What is no JSON reads as nothing."""

    def dumps(self, value: Any) -> int | bytes:
        # plain whole numbers are what Redis counts with
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes) -> Any:
        try:
            return json.loads(stored)
        except (ValueError, RecursionError):
            return None
