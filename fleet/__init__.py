"""Staged, audited rollouts of Azure Arc cluster extensions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("arc-fleet")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
