"""What each channel of a house can carry at most, in kW at the AC bus; above it is a spike.

    import, export    the connection (fuse)
    PV                1.2 times the installed peak power (cold panels, cloud edges)
    battery           its ratings
    load              fuse + PV + discharge: all that can flow into the house at once
    car, heater       as the load they are part of

A limit whose parts are unknown is ``None``: nothing is judged by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.channels import Channel

PV_PEAK_FACTOR = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Ratings of a house; ``None`` = unknown, 0 = it has none.

    Attributes:
        import_kw: what the connection takes in at most.
        export_kw: what it feeds out at most.
        pv_peak_kw: installed peak power of all planes.
        charge_kw: rating of the battery, at its AC terminals.
        discharge_kw: rating of the battery, at its AC terminals.
        capacity_kwh: what the battery stores.
        charge_efficiency: AC to stored, a ratio.
        discharge_efficiency: stored to AC, a ratio.
    """

    import_kw: float | None = None
    export_kw: float | None = None
    pv_peak_kw: float | None = None
    charge_kw: float | None = None
    discharge_kw: float | None = None
    capacity_kwh: float | None = None
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95

    @property
    def load_kw(self) -> float | None:
        """Fuse + PV + discharge."""
        if self.import_kw is None or self.pv_kw is None or self.discharge_kw is None:
            return None
        return self.import_kw + self.pv_kw + self.discharge_kw

    @property
    def pv_kw(self) -> float | None:
        """1.2 times the installed peak power."""
        return None if self.pv_peak_kw is None else PV_PEAK_FACTOR * self.pv_peak_kw

    def of(self, channel: Channel) -> float | None:
        """What a channel can carry, kW; ``None`` where unknown or where it is no energy."""
        if channel in (Channel.LOAD_KWH, Channel.EV_KWH, Channel.WATER_HEATER_KWH):
            return self.load_kw
        known = {
            Channel.PV_KWH: self.pv_kw,
            Channel.IMPORT_KWH: self.import_kw,
            Channel.EXPORT_KWH: self.export_kw,
            Channel.CHARGE_KWH: self.charge_kw,
            Channel.DISCHARGE_KWH: self.discharge_kw,
        }
        return known.get(channel)
