"""Commands: parse, wire, call one thing, print. Only here is it chosen who answers the ports."""

from __future__ import annotations
