"""States of charge of an earlier Darkstar's rows: when they were read, and which were.

Units: ratios, epoch microseconds. That system read the battery once, when it wrote a row, and
copied the value to both ends of the slot; where nothing answered it wrote 50 percent. So a value
that stands at both ends is one reading of the moment the row was written, good for the slot edge
within five minutes of it. The faults and what becomes of them are in the table of
``telemetry.legacy_import``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from telemetry.arrays import F64, I64
from telemetry.channels import Channel, Quality
from telemetry.legacy_file import HOUR_US, MINUTE_US, SECOND_US, Findings, LegacyFile
from telemetry.slots import SLOT_MINUTES, SLOT_SECONDS

_SLOT_US = SLOT_MINUTES * MINUTE_US
_REACH_US = 5 * MINUTE_US
_DEFAULT = 0.5
_JUMP = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacySoc:
    """One of ``soc_start`` and ``soc_end``; each array (S,).

    Attributes:
        channel: which of them.
        slot_start: epoch seconds.
        values: ratios, NaN where missing.
        quality: bits of ``Quality``.
        known_at: epoch seconds.
    """

    channel: Channel
    slot_start: I64
    values: F64
    quality: I64
    known_at: I64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What the battery showed; times in epoch microseconds.

    Attributes:
        at_us: when it was read.
        claimed_us: the edge of the row that it is given for.
        channel: at the start or the end of a slot.
        ratio: NaN where it cannot be believed.
        row_end_us: end of its row.
    """

    at_us: int
    claimed_us: int
    channel: Channel
    ratio: float
    row_end_us: int

    @property
    def edge_us(self) -> int:
        """The slot edge nearest to the row's."""
        return (self.claimed_us + _SLOT_US // 2) // _SLOT_US * _SLOT_US

    @property
    def off_us(self) -> int:
        """How far from that edge it was read."""
        return abs(self.at_us - self.edge_us)

    @property
    def slot_start(self) -> int:
        """Epoch seconds of the slot it belongs to."""
        edge = self.edge_us // SECOND_US
        return edge if self.channel is Channel.SOC_START else edge - SLOT_SECONDS

    @property
    def known_at(self) -> int:
        """Epoch seconds: the ends of its slot and its row, and when it was read."""
        latest = max(self.at_us if math.isfinite(self.ratio) else 0, self.row_end_us)
        return max(self.slot_start + SLOT_SECONDS, -(-latest // SECOND_US))


def soc_by_slot(file: LegacyFile, findings: Findings) -> tuple[LegacySoc, ...]:
    """Judge the states of charge of a file and put them at slot edges.

    Args:
        file: N rows.
        findings: where faults are added.
    """
    readings = list(_placed(_without_defaults(list(_read(file, findings)), findings), findings))
    return tuple(
        _series(channel, [one for one in readings if one.channel is channel])
        for channel in (Channel.SOC_START, Channel.SOC_END)
    )


def _read(file: LegacyFile, findings: Findings) -> Iterator[_Reading]:
    """Readings of all rows, in order of the rows."""
    ended, held = file.ended.tolist(), _held(file)
    copied = (file.soc[0] == file.soc[1]).tolist()
    for row, (start, end, written) in enumerate(
        zip(file.start_us.tolist(), file.end_us.tolist(), file.written_us.tolist(), strict=True)
    ):
        first, last = file.soc[:, row].tolist()
        if copied[row]:
            early = abs(written - start) <= abs(written - end)
            channel = Channel.SOC_START if early else Channel.SOC_END
            yield _Reading(
                at_us=written,
                claimed_us=start if early else end,
                channel=channel,
                ratio=first,
                row_end_us=end,
            )
            findings.add("state of charge copied to both ends of its slot: one reading", [start])
            continue
        if not math.isnan(first):
            if held[row]:
                findings.add("soc_start held over rows of one write: left missing", [start])
            ratio = math.nan if held[row] else first
            yield _reading(start, Channel.SOC_START, ratio, end)
        if not math.isnan(last):
            if not ended[row]:
                findings.add("soc_end written before its slot had ended: left missing", [start])
            yield _reading(end, Channel.SOC_END, last if ended[row] else math.nan, end)


def _reading(at_us: int, channel: Channel, ratio: float, row_end_us: int) -> _Reading:
    return _Reading(
        at_us=at_us, claimed_us=at_us, channel=channel, ratio=ratio, row_end_us=row_end_us
    )


def _held(file: LegacyFile) -> list[bool]:
    """Whether the start of a row repeats what was copied through the row before, in one write."""
    held = np.zeros(file.start_us.size, dtype=np.bool_)
    before, here = file.soc[:, :-1], file.soc[0, 1:]
    held[1:] = (before[0] == before[1]) & (before[1] == here)
    held[1:] &= file.written_us[1:] == file.written_us[:-1]
    found: list[bool] = (held & file.follows).tolist()
    return found


def _without_defaults(readings: list[_Reading], findings: Findings) -> list[_Reading]:
    """Readings with NaN for every 50 percent that no other reading supports."""
    numbers = [place for place, one in enumerate(readings) if not math.isnan(one.ratio)]
    doubtful = [place for place in numbers if readings[place].ratio == _DEFAULT]
    others = [place for place in numbers if readings[place].ratio != _DEFAULT]
    where = np.searchsorted(others, doubtful).tolist()
    judged = list(readings)
    for place, right in zip(doubtful, where, strict=True):
        near = [readings[other] for other in others[max(right - 1, 0) : right + 1]]
        if not _supported(readings[place], near):
            judged[place] = replace(readings[place], ratio=math.nan)
            findings.add(
                "state of charge of exactly 50 % that no reading of the hour supports: "
                "a default, left missing",
                [readings[place].claimed_us],
            )
    return judged


def _supported(doubtful: _Reading, near: Sequence[_Reading]) -> bool:
    """Whether a battery may have been at 50 percent between these readings."""
    gaps = [one.ratio - _DEFAULT for one in near if abs(one.at_us - doubtful.at_us) <= HOUR_US]
    crossed = bool(gaps) and min(gaps) < 0.0 < max(gaps)
    return crossed or any(abs(gap) <= _JUMP for gap in gaps)


def _placed(readings: Sequence[_Reading], findings: Findings) -> Iterator[_Reading]:
    """Readings with NaN for those read too far from every slot edge."""
    for one in readings:
        if math.isnan(one.ratio) or one.off_us <= _REACH_US:
            late = not math.isnan(one.ratio) and one.off_us > SECOND_US
            if late:
                findings.add(
                    "state of charge read up to 5 min from the slot's edge: flagged",
                    [one.claimed_us],
                )
            yield one
        else:
            findings.add(
                "state of charge read more than 5 min from a slot's edge: left missing",
                [one.claimed_us],
            )
            yield replace(one, ratio=math.nan)


def _series(channel: Channel, readings: Sequence[_Reading]) -> LegacySoc:
    """The reading nearest to each edge; a number is nearer than none."""
    best: dict[int, _Reading] = {}
    for one in sorted(readings, key=lambda one: (math.isnan(one.ratio), one.off_us)):
        best.setdefault(one.slot_start, one)
    found = [best[slot] for slot in sorted(best)]
    doubt = [math.isnan(one.ratio) or one.off_us > SECOND_US for one in found]
    return LegacySoc(
        channel=channel,
        slot_start=np.array([one.slot_start for one in found], dtype=np.int64),
        values=np.array([one.ratio for one in found], dtype=np.float64),
        quality=np.where(doubt, int(Quality.SUSPECT), 0).astype(np.int64),
        known_at=np.array([one.known_at for one in found], dtype=np.int64),
    )
