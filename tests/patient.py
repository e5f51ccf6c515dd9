"""How properties are tried on a machine where all cores are busy: the same ones each time, at any
pace."""

from hypothesis import HealthCheck, settings

patient = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
