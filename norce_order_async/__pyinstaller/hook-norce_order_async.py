"""What PyInstaller does not see: modules that are imported by name, and files that are read."""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

_FOR_TESTS = ("norce_order_async.testing.conformance", "norce_order_async.testing.plugin")
_NEEDS_DASK = tuple(f"norce_order_async.batch.{name}" for name in ("cluster", "dask", "worker"))
_OTHERS = ("distributed", "openpyxl", "pyarrow.parquet")


def _is_installed(name: str) -> bool:
    return find_spec(name.partition(".")[0]) is not None


def _is_wanted(name: str) -> bool:
    return not name.startswith(_FOR_TESTS) and (name not in _NEEDS_DASK or _is_installed("distributed"))


hiddenimports = collect_submodules("norce_order_async", filter=_is_wanted)
hiddenimports += filter(_is_installed, _OTHERS)
datas = collect_data_files("norce_order_async")
