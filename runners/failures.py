"""Jobs that go through several homes: one that fails does not keep the others from their turn."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

__all__ = ["raise_first"]


def raise_first(failures: Mapping[str, Exception], what: str, *, alone: bool) -> None:
    """Tell the later failures and raise the first: the command line tells it and exits with it.

    Args:
        failures: by home.
        what: did not happen, e.g. ``not published``.
        alone: whether there is one home only, whose name need not be told.
    """
    if not failures:
        return
    (first, cause), *later = failures.items()
    errors = Console(stderr=True, highlight=False, markup=False)
    for home_id, err in later:
        errors.print(f"{home_id}: {what}: {err}", style="red", soft_wrap=True)
    if not alone:
        errors.print(f"{first}: {what}:", style="red", soft_wrap=True)
    raise cause
