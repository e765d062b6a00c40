"""What holds for every test."""

from __future__ import annotations

import os

# The bundled controller is a language model of 135 million parameters; where a test is about everything else, the
# tiny one answers in its place, twenty times as fast. `test_default_controller.py` talks to the real one.
os.environ.setdefault("SACCADE_CONTROLLER", "zoo:controller-tiny")
