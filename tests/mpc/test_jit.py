"""Kernels: lazy numba, one folder of compiled code per state of the sources, clear errors."""

import builtins
import importlib.util
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest

from mpc import KernelError, jit
from mpc.jit import compiled, keep_compiled_in, prange
from mpc.physics import battery_step, clip, settle

PLAN = """
import sys
from mpc import Planner
from tests.mpc.instances import make_horizon, make_site
plan = Planner(make_site(), engine={engine!r}).plan(make_horizon([0.3, 1.0]), 5.0)
print(plan.engine, "numba" in sys.modules)
"""


FACTOR = 2.0


def _scaled(x: float) -> float:
    """A kernel that reads a constant."""
    return FACTOR * x


@pytest.fixture
def _fresh() -> Iterator[None]:
    """Kernels compiled here are forgotten, and so is the folder."""
    folder = jit._FOLDER[:]
    compiled.cache_clear()
    yield
    jit._FOLDER[:] = folder
    compiled.cache_clear()


@pytest.mark.parametrize(("engine", "imported"), [("highs", "False"), ("auto", "True")])
def test_planning_with_highs_imports_no_numba(engine: str, imported: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PLAN.format(engine=engine)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split()[1] == imported


def kernel_in(folder: Path, factor: float, monkeypatch: pytest.MonkeyPatch) -> FunctionType:
    """A kernel and its callee, the same but for a factor in the callee, below the house."""
    name = f"kernel_{factor:.0f}"
    file = folder / f"{name}.py"
    file.write_text(
        f"def scaled(x):\n    return {factor} * x\n\n\ndef kernel(x):\n    return scaled(x) + 1.0\n"
    )
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    kernel = module.kernel
    assert isinstance(kernel, FunctionType)
    return kernel


@pytest.mark.usefixtures("_fresh")
def test_a_changed_callee_gets_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "mpc" / "jit.py"))  # the house
    keep_compiled_in(tmp_path / "kept")
    assert compiled(kernel_in(tmp_path, 2.0, monkeypatch))(3.0) == 7.0
    first = {folder.name for folder in (tmp_path / "kept").iterdir()}
    assert compiled(kernel_in(tmp_path, 4.0, monkeypatch))(3.0) == 13.0
    folders = {folder.name for folder in (tmp_path / "kept").iterdir()}
    assert first < folders
    assert all(name.startswith("kernels-") for name in folders)


@pytest.mark.usefixtures("_fresh")
def test_a_folder_that_cannot_be_written_leaves_no_stale_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba would keep code beside the source then, where a changed callee is not noticed."""
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "mpc" / "jit.py"))  # the house
    (tmp_path / "file").touch()
    keep_compiled_in(tmp_path / "file")
    assert compiled(kernel_in(tmp_path, 2.0, monkeypatch))(3.0) == 7.0
    assert not [*tmp_path.rglob("*.nbi")]


@pytest.mark.usefixtures("_fresh")
def test_a_user_without_a_home_compiles_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    jit._FOLDER.clear()
    assert compiled(clip)(3.0, 0.0, 1.0) == 1.0
    (tmp_path / "mpc").touch()
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "mpc" / "jit.py"))  # nothing can be written
    assert jit._base() is None


@pytest.mark.usefixtures("_fresh")
def test_a_new_home_gets_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mpc").touch()
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "mpc" / "jit.py"))  # nothing can be written
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    jit._FOLDER.clear()
    assert jit._base() == tmp_path / "home" / ".cache" / "darkstar"


@pytest.mark.usefixtures("_fresh")
def test_the_cache_folder_of_others_stays(tmp_path: Path) -> None:
    import numba  # noqa: PLC0415 - heavy

    before = numba.config.CACHE_DIR
    keep_compiled_in(tmp_path)
    compiled(clip)(3.0, 0.0, 1.0)
    assert before == numba.config.CACHE_DIR


def test_a_changed_constant_from_elsewhere_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_scaled, FunctionType)
    first = jit._fingerprint(_scaled)
    monkeypatch.setitem(_scaled.__globals__, "FACTOR", 3.0)
    assert jit._fingerprint(_scaled) != first


def test_a_kernel_gives_the_bits_of_python() -> None:
    rng = np.random.default_rng(0)
    fast = compiled(settle)
    for values in rng.uniform(-3.0, 3.0, (50, 6)):
        numbers = [float(x) for x in values]
        assert fast(*numbers) == settle(*numbers)


def test_the_same_kernel_is_compiled_once() -> None:
    assert compiled(battery_step) is compiled(battery_step)


def doubled(values: Any) -> None:
    """Double every value, on all cores."""
    for k in prange(values.size):
        values[k] = clip(2.0 * values[k], -10.0, 10.0)


@pytest.mark.usefixtures("_fresh")
def test_a_parallel_kernel_runs_as_python_too(tmp_path: Path) -> None:
    keep_compiled_in(tmp_path)
    plain, fast = np.arange(8.0), np.arange(8.0)
    doubled(plain)
    compiled(doubled)(fast)
    np.testing.assert_array_equal(plain, np.minimum(2.0 * np.arange(8.0), 10.0))
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.usefixtures("_fresh")
def test_without_numba_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "numba":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(KernelError, match=r"numba is not installed.*engine='highs'"):
        compiled(battery_step)


@pytest.mark.parametrize("what", [print, len, type("Callable", (), {"__call__": lambda _: 0})()])
def test_what_is_no_plain_function_is_refused(what: Callable[..., Any]) -> None:
    with pytest.raises(KernelError, match="no plain function, want one made with def"):
        compiled(what)
