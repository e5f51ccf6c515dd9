"""Hashing passwords, a few at once in each process: whoever finds no place is told so at once, and
the other threads go on serving pages.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

RUNNING = 2  # at once; a hash keeps a processor busy
WAITING = 2  # in line behind them, each in a thread of the web server
PATIENCE = 5.0  # seconds in that line
OF_ONE_SOURCE = 2  # places that one browser or address may take
RETRY_AFTER = 2  # seconds


class Busy(Exception):
    """All places are taken: try again after RETRY_AFTER seconds."""


class Places:
    """`running` at once, `waiting` in line for at most `patience` seconds. `take()` and
    `take_for()` raise Busy.
    """

    def __init__(self, running: int, waiting: int, patience: float) -> None:
        self.most, self.patience = running + waiting, patience
        self._running = threading.Semaphore(running)
        self._lock = threading.Lock()
        self._inside = 0
        self._of_source: Counter[str] = Counter()

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place for one hash."""
        with self._lock:
            if self._inside >= self.most:
                raise Busy
            self._inside += 1
        try:
            if not self._running.acquire(timeout=self.patience):
                raise Busy
            try:
                yield
            finally:
                self._running.release()
        finally:
            with self._lock:
                self._inside -= 1

    @contextmanager
    def take_for(self, source: str) -> Iterator[None]:
        """One of the few tries that one browser or address may have under way: a stranger with
        many requests leaves room for the others.
        """
        with self._lock:
            if self._of_source[source] >= OF_ONE_SOURCE:
                raise Busy
            self._of_source[source] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of_source[source] -= 1
                if not self._of_source[source]:
                    del self._of_source[source]


PLACES = Places(RUNNING, WAITING, PATIENCE)


class BoundedHasher(PBKDF2PasswordHasher):
    """Django's, with a place to be had first. Raises Busy."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with PLACES.take():
            return super().encode(password, salt, iterations)


class BusyAnswer:
    """Middleware: a view that found no place to hash a password answers 503, and says when."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Busy):
            return None
        response = render(request, "busy.html", status=503)
        response["Retry-After"] = str(RETRY_AFTER)
        response._has_been_logged = True  # type: ignore[attr-defined]  # no error of ours
        return response
