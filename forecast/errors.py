"""Everything the forecast floor refuses.

    ForecastError            root: catch this one in a runner
    +-- SeriesError          the arrays do not describe one series (also a ValueError)
    +-- MissingHistoryError  no value to forecast a slot from
    +-- TrainingError        a history teaches no model
    +-- ModelFileError       a trained model cannot be used

Messages say what was wrong, where, and the cure; the facts are attributes as well.
"""


class ForecastError(Exception):
    """Root of every error of the forecast floor."""


class SeriesError(ForecastError, ValueError):
    """An argument does not describe a series of 15-minute values."""

    def __init__(self, name: str, got: object, want: str) -> None:
        """Keep the facts as attributes, so that a runner can log them as fields."""
        self.name, self.got, self.want = name, got, want
        super().__init__(f"{name} is {got}, want {want}")


class MissingHistoryError(ForecastError):
    """No past value exists at the local wall-clock time of a slot.

    Attributes:
        series: what was to be forecast.
        local_time: the wall-clock slot without a value, local time of ``zone``.
        lookback_days: how many local days were searched.
    """

    def __init__(
        self, series: str, *, local_time: str, zone: str, lookback_days: int, cure: str
    ) -> None:
        """Name the wall-clock slot, how far the search went, and what helps."""
        self.series, self.local_time, self.zone = series, local_time, zone
        self.lookback_days, self.cure = lookback_days, cure
        super().__init__(
            f"no {series} at {local_time} local time ({zone}) in the last {lookback_days} days: "
            f"{cure}"
        )


class ModelFileError(ForecastError):
    """A trained model cannot be used as it stands.

    Attributes:
        what: the part.
        fault: what is wrong with it.
        cure: what helps.
    """

    def __init__(self, what: str, fault: str, cure: str) -> None:
        """Name the part, the fault and the cure."""
        self.what, self.fault, self.cure = what, fault, cure
        super().__init__(f"{what}: {fault}; {cure}")


class TrainingError(ForecastError):
    """A history teaches no model.

    Attributes:
        series: what was to be learnt.
        fault: what is wrong with the history.
        cure: what helps.
    """

    def __init__(self, series: str, fault: str, cure: str) -> None:
        """Name the series, the fault and the cure."""
        self.series, self.fault, self.cure = series, fault, cure
        super().__init__(f"{series}: {fault}; {cure}")
