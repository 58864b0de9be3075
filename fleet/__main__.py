"""``python -m fleet`` and the ``fleet`` command."""

from __future__ import annotations

from fleet.cli.app import main

if __name__ == "__main__":
    main()
