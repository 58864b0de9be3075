"""``fleet sim``: a simulated Azure to try everything on, in this process and over HTTP.

What it needs beside (a database, certificates) is an optional extra, and
loaded by its own commands only.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import signal
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from fleet.cli import context, demonstrating, options
from fleet.engine import clock
from fleet.errors import InputError
from fleet.model import codec
from fleet.sim import breakage, faultfile, names, opening, worldfile
from fleet.sim.inside import asking, kubeconfigs
from fleet.sim.recipe import Recipe
from fleet.sim.repertoire import REPERTOIRE
from fleet.ui import output
from fleet.ui.output import Format
from fleet.ui.tables import Table

if TYPE_CHECKING:
    from fleet.sim.server.serving import Served

_EXTRA = frozenset({"duckdb", "duckdb_kql", "trustme"})
_FASTEST = 100_000
_SHOWN = 5
"""Subscriptions that people are shown."""


def serve(  # noqa: PLR0913, PLR0917 - one for each flag
    world: Annotated[
        Path | None,
        typer.Option(
            "--world",
            envvar="FLEET_WORLD",
            metavar="FILE",
            help="The world file; without it, a fleet of the usual kind.",
        ),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", min=1, max=1_000_000, help="How many, instead of the file's."),
    ] = None,
    subscriptions: Annotated[
        int | None,
        typer.Option(
            "--subscriptions", min=1, max=10_000, help="Over how many, instead of the file's."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="What all is drawn from, instead of the file's.")
    ] = None,
    time_scale: Annotated[
        str | None,
        typer.Option(
            "--time-scale",
            metavar="X",
            help="Simulated seconds a second, such as 60, 0.5 or 1/3, instead of the file's.",
        ),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            envvar="FLEET_FAULTS",
            metavar="FILE|PROFILE",
            help="What goes wrong, and when: a faults file, or one of the profiles "
            f"{', '.join(faultfile.profiles())}; `fleet sim faults` explains them.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Where to listen; anything but loopback lets others in."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="The port; 0 for any that is free.")
    ] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS, with a certificate that lasts as long.")
    ] = False,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            "--kubeconfig",
            metavar="FILE",
            help="Write the way into all clusters there, a context for each; into a directory, a "
            "file for each.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say where it is as one line of JSON.")
    ] = False,
) -> None:
    """Serve a simulated Azure over HTTP, until it is stopped.

    The world begins anew with every start, and is gone with its end.
    """
    recipe, scale = _recipe(world), _scale(time_scale)
    recipe = _sized(recipe, clusters=clusters, subscriptions=subscriptions, seed=seed)
    if faults is not None:
        recipe = dataclasses.replace(recipe, script=faultfile.named(faults).script())
    if scale is None:
        scale = _own_scale(recipe)
    _warn_of(host)
    where = {"host": host, "port": port, "has_tls": tls}
    asyncio.run(_serve(recipe, scale, where, kubeconfig=kubeconfig, as_json=as_json))


def list_faults(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PROFILE]", help="Print this profile's file, to start from."),
    ] = None,
    form: options.Output = Format.TABLE,
    as_json: options.AsJson = False,
) -> None:
    """List what can go wrong in a simulated Azure, and the profiles that come with it."""
    if name is not None:
        sys.stdout.write(faultfile.text_of(name))
        return
    profiles = [(one, faultfile.profile(one).description) for one in faultfile.profiles()]
    found = [(one.value, entry.seen) for one, entry in REPERTOIRE.items()]
    broken = [(one.value, seen) for one, seen in breakage.SEEN.items()]
    match options.chosen(form, as_json=as_json):
        case Format.NAME:
            output.print_names([one for one, _ in profiles])
        case (Format.JSON | Format.YAML) as chosen:
            told = {"profiles": dict(profiles), "faults": dict(found), "breaks": dict(broken)}
            output.print_document(told, form=chosen)
        case chosen:
            tables = [
                Table(header=("profile", "what goes wrong"), rows=profiles),
                Table(header=("fault", "what a client sees"), rows=found),
                Table(header=("break", "what is seen inside a cluster"), rows=broken),
            ]
            output.print_tables(tables, form=chosen)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "serve": serve,
    "faults": list_faults,
    "demo": demonstrating.demo,
}

app = typer.Typer(
    name="sim", help="Simulate Azure, to try plans and this program on.", no_args_is_help=True
)


async def _serve(
    recipe: Recipe,
    scale: Fraction,
    where: dict[str, Any],
    *,
    kubeconfig: Path | None,
    as_json: bool,
) -> None:
    serving = _serving()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    time = clock.scaled(recipe.epoch, scale)
    async with serving(recipe, clock=time, scale=scale, **where) as served:
        if kubeconfig is not None:
            _write_kubeconfig(kubeconfig, served)
        sys.stdout.write(_document(served) if as_json else _words(served))
        sys.stdout.flush()
        # What was loaded stays: the garbage collector need not look at it again and again.
        gc.freeze()
        try:
            await stopped.wait()
        finally:
            gc.unfreeze()


def _write_kubeconfig(place: Path, served: Served) -> None:
    recipe = served.plane.recipe
    count = recipe.cluster_count
    kubeconfigs.write(
        place,
        [names.cluster(number, count=count) for number in range(count)],
        endpoint=served.endpoint,
        seed=recipe.seed,
        user=asking.ADMIN,
        ca_file=served.ca_file,
    )


def _serving() -> Any:
    """Return what serves; its modules are loaded here, and nowhere else."""
    try:
        from fleet.sim.server import serving  # noqa: PLC0415 - 60 MB that no other command needs
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        message = f"the simulated Azure needs {error.name}, which is not installed"
        raise InputError(message, hint="pip install 'arc-fleet[sim]'") from error
    return serving.serving


def _recipe(world: Path | None) -> Recipe:
    return worldfile.default_recipe() if world is None else opening.read_recipe(world)


def _sized(
    recipe: Recipe, *, clusters: int | None, subscriptions: int | None, seed: int | None
) -> Recipe:
    """Return the recipe as the flags have it."""
    found = dataclasses.replace(
        recipe,
        cluster_count=clusters or recipe.cluster_count,
        subscription_count=subscriptions or recipe.subscription_count,
        seed=recipe.seed if seed is None else seed,
    )
    for one in found.specials:
        if names.index(one.cluster, count=found.cluster_count) is None:
            message = f"no cluster of {found.cluster_count} is called {one.cluster}"
            hint = "The world file's overrides name clusters: take --clusters away, or those."
            raise InputError(message, hint=hint)
    return found


def _scale(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        scale = Fraction(0)
    if not 0 < scale <= _FASTEST:
        message = f"{text!r} is no time scale"
        raise InputError(message, hint=f"Give a number above 0, and at most {_FASTEST}.")
    return scale


def _own_scale(recipe: Recipe) -> Fraction:
    if recipe.time_scale is None:
        message = "timeScale: max is for commands that run the fleet in their own process"
        raise InputError(message, hint="Say how fast its time goes: --time-scale 60.")
    return Fraction(recipe.time_scale)


def _warn_of(host: str) -> None:
    if host in ("127.0.0.1", "::1", "localhost"):
        return
    text = f"warning: everybody who reaches {host} can change the simulated fleet"
    output.say(text, on=context.errors())


def _document(served: Served) -> str:
    recipe = served.plane.recipe
    document = {
        "endpoint": served.endpoint,
        "epoch": codec.utc_text(recipe.epoch),
        "timeScale": str(served.plane.scale),
        "caFile": None if served.ca_file is None else str(served.ca_file),
        "clusters": recipe.cluster_count,
        "subscriptions": list(served.plane.subscriptions),
    }
    return orjson.dumps(document).decode() + "\n"


def _words(served: Served) -> str:
    recipe, found = served.plane.recipe, list(served.plane.subscriptions)
    others = len(found) - _SHOWN
    trust = "" if served.ca_file is None else f" --ca-file {served.ca_file}"
    epoch = codec.utc_text(recipe.epoch)
    lines = [
        f"A simulated Azure is at {served.endpoint}",
        f"{recipe.cluster_count} clusters, {served.plane.scale} times our time, from {epoch}",
        "subscriptions:",
        *(f"  {one}" for one in found[:_SHOWN]),
        *([f"  and {others} more"] if others > 0 else []),
        *([] if served.ca_file is None else [f"certificate authority: {served.ca_file}"]),
        f"try: fleet plan plans/osm-upgrade.yaml --endpoint {served.endpoint}{trust}",
        "stop: Ctrl-C",
    ]
    return "".join(f"{line}\n" for line in lines)
