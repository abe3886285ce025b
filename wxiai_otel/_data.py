"""Files that come with the package: from the wheel, or from the source tree that the package is used in."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """A folder of the project, such as ``alerts``.

    Parameters:
        name: As it is called in the source tree.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
