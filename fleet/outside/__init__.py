"""What is spoken to beside Azure: calendars, probes, and whoever wants to be told."""

from __future__ import annotations
