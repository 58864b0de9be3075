"""Decisions: facts and a moment go in, a decision comes out. No IO, no clock, no chance."""

from __future__ import annotations
