"""A POST goes to the addresses that it is given, if all may be reached, and ends in time."""

import asyncio
import socket

import pytest

from collectors.net.post import MOST_READ, post, resolve
from collectors.net.tls import trusted_context
from collectors.net.web_fault import WebFault
from tests.audit.notify.receivers import Receiver


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def send(url, addresses=("127.0.0.1",), *, reachable=lambda _address: True, seconds=5.0, **headers):
    return asyncio.run(
        post(
            url,
            list(addresses),
            body=b"{}",
            headers=headers,
            context=trusted_context(),
            reachable=reachable,
            seconds=seconds,
        )
    )


def test_it_posts_to_the_address_and_names_the_host(receiver):
    receiver.answer = lambda _number: (202, b"thanks")
    answer = send(f"http://hooks.test:{receiver.port}/a?b=c", **{"X-One": "1"})
    assert (answer.status, answer.body, answer.address) == (202, b"thanks", "127.0.0.1")
    ((path, headers, body),) = receiver.posts
    assert path == "/a?b=c" and body == b"{}" and headers["x-one"] == "1"
    assert headers["host"] == f"hooks.test:{receiver.port}" and headers["content-length"] == "2"


def test_one_address_that_may_not_be_reached_is_enough_to_dial_none(receiver):
    """Case 240."""
    with pytest.raises(WebFault) as caught:
        send(
            f"http://hooks.test:{receiver.port}/",
            ["127.0.0.1", "127.0.0.9"],
            reachable=lambda address: address == "127.0.0.1",
        )
    assert caught.value.kind == "blocked" and receiver.posts == []


def test_of_a_long_answer_the_beginning_is_read(receiver):
    """Case 243."""
    receiver.answer = lambda _number: (200, b"x" * 5_000_000)
    assert send(f"http://hooks.test:{receiver.port}/").body == b"x" * MOST_READ


def test_silence_ends_in_time():
    """Case 243."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WebFault) as caught:
            send(f"http://hooks.test:{port}/", seconds=0.3)
    assert caught.value.kind == "timeout"


def test_names_of_this_machine_are_resolved_as_it_does():
    assert "127.0.0.1" in asyncio.run(resolve("localhost"))
    with pytest.raises(OSError):
        asyncio.run(resolve("hooks.invalid"))
