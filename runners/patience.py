"""Telling what takes so long where kernels are compiled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["patience"]

_COMPILING = "compiling the kernels, once: about half a minute"
_LOADED_SECONDS = 3.0
"""Kernels that an earlier run compiled are loaded in less."""


@contextmanager
def patience(out: Console) -> Iterator[None]:
    """Say what takes so long where kernels are not loaded at once, also to a log or a pipe."""
    with out.status("loading the kernels") as status:

        def tell() -> None:
            status.update(_COMPILING)
            if not out.is_terminal:
                typer.echo(_COMPILING, err=True)

        timer = Timer(_LOADED_SECONDS, tell)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
