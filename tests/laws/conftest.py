"""How hard the laws are tried: quickly by default, `BEFOREHAND_LAWS=long` for a night, `few` where others did it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

QUIET = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=100, **QUIET)
settings.register_profile("ci", max_examples=100, derandomize=True, **QUIET)
settings.register_profile("few", max_examples=40, derandomize=True, **QUIET)
settings.register_profile("long", max_examples=5_000, **QUIET)
settings.load_profile(os.environ.get("BEFOREHAND_LAWS", "ci" if "CI" in os.environ else "quick"))
