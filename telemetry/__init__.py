"""Facts: time, homes, observations, prices, weather and plans, and the one place they are kept.

The names here are light; the database comes with ``telemetry.store`` and files with
``telemetry.csv_import``. This package reads no clock, environment or configuration: ``now`` and
every path are arguments.
"""

from telemetry.channels import Channel, Provenance, Quality
from telemetry.errors import TelemetryError
from telemetry.home import Home, Plane

__all__ = ["Channel", "Home", "Plane", "Provenance", "Quality", "TelemetryError"]
