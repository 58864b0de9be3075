"""The door that people write through: plan files, profiles and their schemas."""

from __future__ import annotations
