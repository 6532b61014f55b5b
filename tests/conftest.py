"""Settings of all tests."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("hypothesis"):  # not in the training environment
    from hypothesis import settings

    # No deadline: how long one example takes says how busy the machine is, nothing else.
    settings.register_profile("faceid_fast", deadline=None)
    settings.load_profile("faceid_fast")
