"""Carrying a decision out: the loop, the calls, and the one clock."""

from __future__ import annotations
