"""Lets servers that are processes of their own keep what they hear and say.

Python runs this at its start, wherever the folder is on its path.
"""

from __future__ import annotations

import sys

if "serve" in sys.orig_argv:
    from tests.rig import recording

    recording.begin()
