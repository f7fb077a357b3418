"""What PyInstaller does not see: modules that are imported by name, and files that are read."""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

_FOR_TESTS = ("norce_order_async.testing.conformance", "norce_order_async.testing.plugin")
_NEEDS_DASK = tuple(f"norce_order_async.batch.{name}" for name in ("cluster", "dask", "worker"))
_OTHERS = ("distributed", "openpyxl", "pyarrow.parquet")
# jsonschema imports it where it is installed, and it reads its grammar then.
_WITH_FILES = ("norce_order_async", "rfc3987_syntax")


def _is_installed(name: str) -> bool:
    return find_spec(name.partition(".")[0]) is not None


def _is_wanted(name: str) -> bool:
    return not name.startswith(_FOR_TESTS) and (name not in _NEEDS_DASK or _is_installed("distributed"))


hiddenimports = collect_submodules("norce_order_async", filter=_is_wanted)
hiddenimports += filter(_is_installed, _OTHERS)
datas = [file for name in filter(_is_installed, _WITH_FILES) for file in collect_data_files(name)]
