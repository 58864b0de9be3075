"""The journal on SQLite: :mod:`~fleet.journal.sqlite` on disk, :mod:`~fleet.journal.memory` not."""
