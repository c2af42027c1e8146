"""What holds for every test: a busy computer is not a wrong rule, so Hypothesis never judges how long an example took."""

from hypothesis import HealthCheck, settings

settings.register_profile("derm-edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("derm-edge")
