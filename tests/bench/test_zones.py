"""The world of the benchmarks: what it promises, and that it notices a wrong verdict."""

from collections import Counter

from bench.zones import BROKEN, CHECKS, DEAD, GOOD, World


def test_a_fifth_is_broken_in_more_than_twenty_ways_and_two_in_a_hundred_are_dead():
    kinds = Counter(customer.kind for customer in World(1000).customers)
    assert len(BROKEN) >= 20
    assert kinds.pop(DEAD) == 20
    assert kinds.pop(GOOD) == 780
    assert set(kinds) == set(BROKEN)


def test_the_seed_decides_all_of_it():
    assert World(60, seed=3).zone() == World(60, seed=3).zone()
    assert World(60, seed=3).zone() != World(60, seed=4).zone()


def test_every_wrong_verdict_is_noticed():
    world = World(len(BROKEN) * 6)
    for customer in world.customers:
        right = {}
        for check in CHECKS:
            status, _, code = customer.found.get(check, "ok").partition(" ")
            right[check] = (status, {code} if code else set())
        assert world.wrong(customer, right) == []
        for check in CHECKS:
            status, codes = right[check]
            other = "fail" if status == "ok" else "ok"
            assert len(world.wrong(customer, {**right, check: (other, codes)})) == 1
            assert len(world.wrong(customer, {c: right[c] for c in right if c != check})) == 1
            if codes:
                assert len(world.wrong(customer, {**right, check: (status, {"other"})})) == 1
