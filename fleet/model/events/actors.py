"""Who does things."""

from __future__ import annotations

import dataclasses

from fleet.model.codec import SPARSE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it."""

    name: str
    host: str
    pid: int
    identity: str = dataclasses.field(default="", metadata=SPARSE)
    """Who it was to Azure, by the token that was used: a user's name, or an application's id;
    empty: no token was at hand, and the operating system's user is all that is known."""

    @property
    def called(self) -> str:
        """What rules and people call them."""
        return self.identity or self.name

    def is_same_person(self, other: Actor) -> bool:
        """Tell whether these are, or may be, one person.

        Where Azure did not name both, the operating system's names decide.
        """
        if self.identity and other.identity:
            return self.identity.lower() == other.identity.lower()
        return self.name == other.name
