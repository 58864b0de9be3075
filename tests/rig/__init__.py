"""What tests share: fleets, plans and whole runs on virtual time."""

from __future__ import annotations
