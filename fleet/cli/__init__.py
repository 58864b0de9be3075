"""Commands: parse, wire, call one thing, print. The only place that chooses who answers the ports."""

from __future__ import annotations
