"""Who is told of a run that this process carries on: the ways to them, and what did not arrive."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping

from rich.text import Text

from fleet.cli import context
from fleet.cli.context import Context
from fleet.core import addresses
from fleet.core.state import RunState
from fleet.engine import clock, history, notifier, requests
from fleet.engine.notifier import Notifier
from fleet.errors import FleetError, HeldError, InputError
from fleet.model.notices import Subscriber
from fleet.model.plan import PlanHead
from fleet.net.network import Network
from fleet.ports import Journal, Messenger
from fleet.ui import output

_NO_VIRTUAL_TIME_S = 5.0
"""For one try where time is virtual: it stands still meanwhile, and somebody watches."""


@contextlib.asynccontextmanager
async def telling(
    journal: Journal,
    state: RunState,
    vault: Mapping[str, str],
    network: Network,
    *,
    is_virtual: bool = False,
) -> AsyncIterator[Notifier]:
    """Tell whom the plan names for as long as the block lasts; then say what did not arrive.

    Args:
        journal: Held by this process.
        state: What it adds up to.
        vault: ``{environment variable: value}`` of addresses and keys.
        network: The way out of here.
        is_virtual: Whether time is virtual.
    """
    ways = _messengers(state.plan.notify, vault, network, is_virtual=is_virtual)
    found = Notifier(journal, state, ways)
    try:
        async with found.telling():
            yield found
    finally:
        for line in found.shortfalls():
            output.say(line, on=context.errors())


def tell_rest(found: Context, known: RunState, network: Network) -> None:
    """Tell what the last process of a run that is over could not tell; nothing fails by it."""
    run_id = known.header.run_id if known.header else ""
    with contextlib.closing(found.store.read(run_id)) as reader:
        if not notifier.has_rest(reader, known):
            return
    try:
        vault = values(requests.notice_variables(known.plan))
        require_usable(known.plan, vault)
        with contextlib.suppress(HeldError):  # somebody is telling them
            asyncio.run(_told_rest(found, run_id, vault, network))
    except FleetError as error:
        text = f"not everybody was told everything: {error.message}"
        context.errors().print(Text(context.DISCRETION.text(text)), soft_wrap=True)


async def _told_rest(
    found: Context, run_id: str, vault: Mapping[str, str], network: Network
) -> None:
    secrets = tuple(vault.values())
    async with (
        found.store.hold(run_id, actor=context.actor(), secrets=secrets) as journal,
        telling(journal, history.load(journal), vault, network),
    ):
        pass


def values(names: Iterable[str]) -> Mapping[str, str]:
    """Return what environment variables hold that secrets come from; each must be set."""
    wanted = sorted(names)
    absent = [name for name in wanted if not os.environ.get(name)]
    if absent:
        message = f"secrets are to come from {', '.join(absent)}, which is not set"
        raise InputError(message, hint="Set the environment variable for this process only.")
    found = {name: os.environ[name] for name in wanted}
    context.DISCRETION.learn(found.values())
    return found


def require_usable(head: PlanHead, vault: Mapping[str, str]) -> None:
    """Refuse addresses and keys that will not do, before anything begins; none is quoted."""
    from fleet.outside import signatures  # noqa: PLC0415 - most plans tell nobody

    for one in head.notify:
        if one.url_from and (wrong := addresses.flaw(vault[one.url_from])):
            message = f"the address in {one.url_from}, where {one.name} is told, will not do"
            raise InputError(f"{message}: {wrong}")
        if one.signed_with:
            try:
                signatures.key_of(vault[one.signed_with])
            except ValueError as error:
                message = f"{one.signed_with} holds no key to sign with: {error}"
                hint = 'Make one: echo "whsec_$(openssl rand -base64 32)".'
                raise InputError(message, hint=hint) from None


def _messengers(
    subscribers: Iterable[Subscriber],
    vault: Mapping[str, str],
    network: Network,
    *,
    is_virtual: bool,
) -> Mapping[str, Messenger]:
    return {
        one.name: _command(one, vault)
        if one.argv
        else _webhook(one, vault, network, is_virtual=is_virtual)
        for one in subscribers
    }


def _webhook(
    one: Subscriber, vault: Mapping[str, str], network: Network, *, is_virtual: bool
) -> Messenger:
    from fleet.net import connections  # noqa: PLC0415 - HTTP is loaded only where it is spoken
    from fleet.outside import deliveries, signatures, webhooks  # noqa: PLC0415

    url = one.url or vault[one.url_from]
    way = webhooks.Webhook(
        name=one.name,
        url=url,
        key=signatures.key_of(vault[one.signed_with]) if one.signed_with else None,
        wall=clock.wall,
        proxy=network.proxy_for(url),
        trust=connections.trust(network) if url.startswith("https:") else None,
        limit_s=_NO_VIRTUAL_TIME_S if is_virtual else webhooks.LIMIT_S,
    )
    return deliveries.Delivery(once=deliveries.aside(way.send) if is_virtual else way.send)


def _command(one: Subscriber, vault: Mapping[str, str]) -> Messenger:
    from fleet.outside import deliveries, messengers  # noqa: PLC0415

    # What the plan takes from the environment for others is none of its business.
    environment = {name: value for name, value in os.environ.items() if name not in vault}
    way = messengers.Command(name=one.name, argv=one.argv, environment=environment)
    return deliveries.Delivery(once=way.send, tries=messengers.TRIES)
