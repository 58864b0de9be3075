"""The database behind Resource Graph: one connection, on one thread of its own.

Everything here but the coroutines runs on that thread. A result is kept whole
in a table of its own, so that its pages belong together, and are cheap.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import duckdb
import duckdb_kql

from fleet.sim.server import kql, tables
from fleet.sim.server.kql import Translation
from fleet.sim.server.tables import Row, Rows

T = TypeVar("T")
_KEPT_TRANSLATIONS = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query returned, all of it."""

    table: str
    columns: tuple[tuple[str, str], ...]
    """Name and type."""
    count: int
    is_limited: bool
    is_timeless: bool
    """Whether it would be the same at another moment."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a query is about."""

    subscriptions: frozenset[str] | None
    """``None``: all of the tenant, and what stands above them."""
    has_above: bool = False
    """Of policies: whether those of the groups above the subscriptions count."""
    is_exact: bool = False
    """Of policies: whether those within the subscriptions do not."""

    def condition(self, table: str) -> str:
        """Return what the rows of a table must meet."""
        if self.subscriptions is None:
            return ""
        listed = ", ".join(f"'{_quoted(one)}'" for one in sorted(self.subscriptions))
        within = f'"subscriptionId" IN ({listed})'
        if table != tables.POLICIES:
            return f" WHERE {within}"
        own = f"{within} AND \"resourceGroup\" = ''" if self.is_exact else within
        return f" WHERE {own}" + (" OR \"subscriptionId\" = ''" if self.has_above else "")


class Database:
    """The tables, and the results of queries over them."""

    def __init__(self, *, tenant: str) -> None:
        self._tenant = tenant
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="resource-graph")
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._translations: dict[str, Translation] = {}
        self._serial = 0

    async def begin(self) -> None:
        """Empty the tables."""
        await self._do(self._begin)

    async def add(self, rows: Rows) -> None:
        """Add rows to them."""
        await self._do(functools.partial(self._add, rows))

    async def result(self, query: str, *, scope: Scope, now: dt.datetime) -> Result:
        """Execute a query over what lies in *scope*."""
        return await self._do(functools.partial(self._result, query, scope, now))

    async def page(self, result: Result, *, skip: int, top: int) -> list[tuple[Any, ...]]:
        """Return some rows of a result."""
        return await self._do(functools.partial(self._page, result, skip, top))

    async def forget(self, result: Result) -> None:
        """Let go of a result."""
        await self._do(functools.partial(self._run, f"DROP TABLE IF EXISTS {result.table}"))

    async def close(self) -> None:
        """Let go of everything."""
        await self._do(self._close)
        self._thread.shutdown()

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- on the thread ---------------------------------------------------------------

    def _begin(self) -> None:
        if self._connection is None:
            self._connection = duckdb_kql.connect()
            # A query is somebody else's text: it reaches no file, and one thread is enough for it.
            self._run("SET enable_external_access = false")
            self._run("SET threads = 1")
            self._run("SET lock_configuration = true")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in tables.COLUMNS.items())
        for table in tables.TABLES:
            self._run(f"CREATE OR REPLACE TABLE all_{table} ({columns})")

    def _add(self, rows: Rows) -> None:
        self._insert(tables.CLUSTERS, rows.clusters)
        self._insert(tables.EXTENSIONS, rows.extensions)
        self._insert(tables.CONTAINERS, rows.containers)
        self._insert(tables.POLICIES, rows.policies)

    def _insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        constants = tables.constants(table, tenant=self._tenant)
        varying = tables.varied(table)
        names = [*varying, *constants]
        varied = [
            f"unnest(${place}::VARCHAR[])::{tables.COLUMNS[name]}"
            for place, name in enumerate(varying, start=1)
        ]
        given = len(varied)
        fixed = [f"${given + place}" for place in range(1, len(constants) + 1)]
        columns = ", ".join(f'"{name}"' for name in names)
        values = [*(list(column) for column in zip(*rows, strict=True)), *constants.values()]
        sql = f"INSERT INTO all_{table} ({columns}) SELECT {', '.join([*varied, *fixed])}"
        self._run(sql, values)

    def _result(self, query: str, scope: Scope, now: dt.datetime) -> Result:
        self._limit(scope)
        try:
            translation = self._translated(query, now)
            self._serial += 1
            table = f"result_{self._serial}"
            sql = f"CREATE TEMP TABLE {table} AS {translation.sql}"
            self._run(sql, dict(translation.parameters))
            ((count,),) = self._run(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - ditto
        except duckdb.Error as error:
            raise kql.of_database(error) from error
        return Result(
            table=table,
            columns=tuple(self._described(f"SELECT * FROM {table}", {})),  # noqa: S608 - ditto
            count=count,
            is_limited=translation.is_limited,
            is_timeless=not translation.parameters,
        )

    def _translated(self, query: str, now: dt.datetime) -> Translation:
        known = self._translations.get(query)
        if known is not None:
            return known
        found = kql.translate(query, describe=self._described, now=now)
        # NB: what asks for the time has it in its parameters.
        if not found.parameters:
            if len(self._translations) >= _KEPT_TRANSLATIONS:
                self._translations.clear()
            self._translations[query] = found
        return found

    def _described(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        try:
            rows = self._run(f"DESCRIBE {sql}", dict(parameters)).fetchall()
        except duckdb.Error as error:
            raise kql.of_database(error) from error
        return [(row[0], row[1]) for row in rows]

    def _limit(self, scope: Scope) -> None:
        """Let the tables' names mean what the caller may see of them."""
        for table in tables.TABLES:
            within = scope.condition(table)
            self._run(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM all_{table}{within}")  # noqa: S608 - ids that were checked

    def _page(self, result: Result, skip: int, top: int) -> list[tuple[Any, ...]]:
        sql = f"SELECT * FROM {result.table} LIMIT {top} OFFSET {skip}"  # noqa: S608 - ditto
        return self._run(sql).fetchall()

    def _run(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        assert self._connection is not None  # noqa: S101
        return self._connection.execute(sql, parameters or None)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _quoted(text: str) -> str:
    return text.replace("'", "''")
