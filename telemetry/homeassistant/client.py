"""Home Assistant as it is asked: statistics, states and their history, all of them reads.

    with HomeAssistant("http://homeassistant.local:8123", token) as ha:
        rows = ha.statistics(["sensor.load_total"], start, end, period="hour", now=now)

A lost connection is opened again and the question repeated; a Home Assistant that is starting
is waited for. Not for several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import sleep as _sleep
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from telemetry.errors import SensorError
from telemetry.homeassistant import replies
from telemetry.homeassistant.address import checked_token, parse_address
from telemetry.homeassistant.cache import DayCache
from telemetry.homeassistant.reading import CachedReader, Page, read
from telemetry.homeassistant.rest import Rest
from telemetry.homeassistant.retry import Retry
from telemetry.homeassistant.rows import COLUMNS, scaled
from telemetry.homeassistant.types import History, Period, State, StatisticMeta, Statistics
from telemetry.homeassistant.units import ENERGY_KWH, POWER_KW, kind_of
from telemetry.homeassistant.websocket import Socket
from telemetry.slots import from_epoch, to_epoch

_T = TypeVar("_T")
_UNITS = {"energy": "kWh", "power": "kW"}
_WANT_UNIT = f"energy or power ({', '.join((*ENERGY_KWH, *POWER_KW))})"
_HISTORY_IDS = 20
_DAY = timedelta(days=1)
# A state at the very start of a question is neither in force before it nor after it.
_OVERLAP = timedelta(seconds=1)
_UNKNOWN = ("unavailable", "unknown")


class HomeAssistant:
    """One Home Assistant; implements ``Peer``. The token is never told.

    Every method raises ``PeerAuthError``, ``PeerUnreachableError``, ``PeerNotReadyError`` or
    ``PeerReplyError`` where Home Assistant does not do what was asked.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = 30.0,
        ready_timeout_seconds: float = 120.0,
        retries: int = 5,
        cache: DayCache | None = None,
        sleep: Callable[[float], None] = _sleep,
    ) -> None:
        """Take the address; the connection is opened when first needed.

        Args:
            url: ``http(s)://host:port[/path]``.
            token: a long-lived access token.
            timeout_seconds: how long one answer may take.
            ready_timeout_seconds: how long a starting Home Assistant is waited for.
            retries: how often a lost connection is opened again, with growing pauses.
            cache: days of statistics on disk.
            sleep: waits for seconds.

        Raises:
            PeerUnreachableError: the url is none.
            PeerAuthError: the token is none.
        """
        self._address, self._cache = parse_address(url), cache
        bare = checked_token(token, self._address)
        self._retry = Retry(peer=self._address.peer, retries=retries, sleep=sleep)
        self._rest = Rest(self._address, bare, timeout_seconds=timeout_seconds)
        self._socket = Socket(
            self._address,
            bare,
            timeout_seconds=timeout_seconds,
            ready_timeout_seconds=ready_timeout_seconds,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        """Tell where, never the token."""
        return f"HomeAssistant({self._address.url!r})"

    def __enter__(self) -> Self:
        """Open nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens them again."""
        self._socket.close()
        self._rest.close()

    def clock(self) -> datetime:
        """Home Assistant's own time, UTC, to the second."""
        return self._retry.run(lambda: self._rest.once("/", {}, replies.date))

    def is_administrator(self) -> bool:
        """Whether the token is of one: who records needs none, who sets states does."""
        return self._call("auth/current_user", replies.is_administrator)

    def states(self) -> Mapping[str, State]:
        """All entities as they are now; a removed one is ``unavailable``."""
        return self._call("get_states", replies.states)

    def statistic_ids(self) -> Mapping[str, StatisticMeta]:
        """All statistics there are."""
        return self._call("recorder/list_statistic_ids", replies.metas)

    def statistics(
        self,
        entity_ids: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        period: Period,
        now: datetime,
    ) -> Mapping[str, Statistics]:
        """Rows with start in [start, end); every id asked for is a key, empty where none.

        With a cache, days that can no longer change are asked for once.

        Raises:
            SensorError: a meter counts something that is no energy.
        """
        ids = tuple(dict.fromkeys(entity_ids))
        first, last = to_epoch(start), to_epoch(end)
        asker = _Asker(self)
        if self._cache is None:
            return read(ids, first, last, period, asker)
        reader = CachedReader(
            url=self._address.url, cache=self._cache, ask=asker, now=to_epoch(now)
        )
        return reader.read(ids, first, last, period)

    def history(
        self, entity_ids: Sequence[str], start: datetime, end: datetime
    ) -> Mapping[str, History]:
        """States in [start, end), the one in force at ``start`` first; every id is a key."""
        ids = tuple(dict.fromkeys(entity_ids))
        found = dict.fromkeys(ids, replies.EMPTY_HISTORY)
        for at in range(0, len(ids), _HISTORY_IDS):
            some = ids[at : at + _HISTORY_IDS]
            since = start
            while since < end:
                until = min(since + _DAY, end)
                once = partial(self._history_once, some, since - _OVERLAP, until)
                bounds = since.timestamp(), until.timestamp()
                for name, part in self._retry.run(once).items():
                    found[name] = replies.append_history(found[name], part, *bounds)
                since = until
        return found

    def _call(self, kind: str, parse: Callable[[Any], _T], **fields: object) -> _T:
        return self._retry.run(lambda: self._socket.once(kind, parse, fields))

    def _history_once(
        self, ids: tuple[str, ...], start: datetime, end: datetime
    ) -> dict[str, History]:
        # While it starts, its history is empty: that would be taken for a silent house.
        self._socket.check_running()
        path = f"/history/period/{quote(start.astimezone(UTC).isoformat(), safe='')}"
        params = {
            "end_time": end.astimezone(UTC).isoformat(),
            "filter_entity_id": ",".join(ids),
            "significant_changes_only": "0",
        }
        return self._rest.once(path, params, lambda reply: replies.history(reply, ids))


class _Asker:
    """Asks pages of statistics, in kWh and kW; asks once what the statistics measure."""

    def __init__(self, home: HomeAssistant) -> None:
        self._home = home
        self._metas: Mapping[str, StatisticMeta] | None = None

    def __call__(self, page: Page) -> dict[str, Statistics]:
        """Return the rows of a page; every id is a key."""
        if self._metas is None:
            self._metas = self._home.statistic_ids()
        factors = {name: _factor(self._metas.get(name)) for name in page.ids}

        def parse(result: object) -> dict[str, Statistics]:
            return replies.statistics(result, page.ids, page.first, page.last)

        found = self._home._call(  # noqa: SLF001 - one module, two classes
            "recorder/statistics_during_period",
            parse,
            start_time=from_epoch(page.first).isoformat(),
            end_time=from_epoch(page.last).isoformat(),
            statistic_ids=list(page.ids),
            period=page.period,
            types=list(COLUMNS.values()),
            units=_UNITS,
        )
        return {name: scaled(rows, factors[name]) for name, rows in found.items()}


def _factor(meta: StatisticMeta | None) -> float:
    """What brings a statistic to kWh or kW after Home Assistant's own conversion."""
    if meta is None or meta.converted:
        return 1.0
    kind = kind_of(meta.unit)
    if meta.has_sum and kind != "energy":
        raise SensorError(meta.entity_id, f"counts in {meta.unit}", _WANT_UNIT)
    table = {"energy": ENERGY_KWH, "power": POWER_KW, None: {}}[kind]
    return table.get(meta.unit or "", 1.0)
