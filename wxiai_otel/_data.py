"""Files that come with the package: from the wheel, or from the source tree that the package is used in."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """A folder of the project, such as ``alerts``.

    Parameters:
        name: As it is called in the source tree.
    """
    return _data_root() / name


def data_files(pattern: str) -> dict[str, Path]:
    """Files of the project by their place in it.

    Parameters:
        pattern: A glob from the top of the source tree.
    """
    root = _data_root()
    return {file.relative_to(root).as_posix(): file for file in sorted(root.glob(pattern)) if file.is_file()}


def _data_root() -> Path:
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent
