"""What people see: tables, documents and the live view. Decides nothing, sends nothing."""

from __future__ import annotations
