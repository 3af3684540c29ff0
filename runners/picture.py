"""An empty matplotlib figure, and writing it; matplotlib is imported only here and in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runners.errors import ConfigError, Problem
from runners.output import make_folder, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["empty_figure", "save_figure"]

_DPI = 100


def empty_figure(path: Path, size_inches: tuple[float, float]) -> Figure:
    """Return an empty figure for ``path``.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and only needed here
    except ModuleNotFoundError:
        message = "matplotlib is not installed; pip install 'darkstar-energy[plot]', or --no-plot"
        raise ConfigError(str(path), [Problem("", "", message)]) from None
    return Figure(figsize=size_inches, layout="constrained")


def save_figure(figure: Figure, path: Path, title: str) -> None:
    """Give the figure its title and write it.

    Raises:
        ConfigError: the file cannot be written.
    """
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    cure = "name another place, or add --no-plot"
    make_folder(path.parent, cure)
    with replacing(path, cure) as file:
        figure.savefig(file, dpi=_DPI, format=path.suffix.removeprefix("."))
