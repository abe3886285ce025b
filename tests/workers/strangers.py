"""What another user, a crash or a full disk may leave where workers look."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STRANGER = 65533
_HUGE = 64 * 2**30
LEVELS = 3_000


def similar(name: str) -> list[str]:
    """Names like one that was seen: each of its numbers is another one in turn, and the last characters too."""
    changed = [
        f"{name[: found.start()]}{int(found[0]) + 1}{name[found.end() :]}" for found in re.finditer(r"\d+", name)
    ]
    stem, dot, suffix = name.partition(".")
    return [*changed, f"{stem}0{dot}{suffix}"]


def taken_name(path: Path, kind: str, owner: int) -> None:
    """Have something under a name before the workers do. A symbolic link leads to the directory `<path>-target`."""
    TAKEN[kind](path)
    os.chown(path, owner, owner, follow_symlinks=False)


def _linked(path: Path) -> None:
    target = path.with_name(f"{path.name}-target")
    target.mkdir(mode=0o700)
    path.symlink_to(target)


def _listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        # The path may be longer than an address: bind in the directory.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
        server.listen()
        _silent.append(server.dup())


# Sockets that take connections and never answer.
_silent: list[socket.socket] = []


def _mkdir(mode: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        path.chmod(mode)

    return make


TAKEN: dict[str, Callable[[Path], None]] = {
    "directory": _mkdir(0o755),
    "open directory": _mkdir(0o777),
    "closed directory": _mkdir(0o000),
    "symbolic link": _linked,
    "dangling link": lambda path: path.symlink_to(path.with_name("nowhere")),
    "file": Path.touch,
    "FIFO": os.mkfifo,
    "socket": _listening,
}


def _written(change: Callable[[bytes], bytes]) -> Callable[[Path, bytes], None]:
    return lambda path, content: _write(path, change(content))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _huge(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.truncate(path, _HUGE)


def _hard_link(path: Path, _content: bytes) -> None:
    secret = path.with_name(f"secret-{path.name}")
    secret.write_text("secret")
    os.chown(secret, STRANGER, STRANGER)
    os.link(secret, path)
    secret.unlink()


def _with_file(path: Path, content: bytes) -> None:
    path.mkdir()
    (path / path.name).write_bytes(content)


def _damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + os.urandom(64) + content[middle + 64 :]


# What may be found in place of a worker's file, given what it held.
JUNK: dict[str, Callable[[Path, bytes], None]] = {
    "cut in half": _written(lambda content: content[: len(content) // 2]),
    "cut within the header": _written(lambda content: content[:3]),
    "empty": _written(lambda _: b""),
    "zeros": _written(lambda content: bytes(len(content))),
    "random bytes": _written(lambda content: os.urandom(len(content))),
    "text": _written(lambda content: b"stranger 1\n" * (len(content) // 11)),
    "oversized header": _written(lambda content: b"\xff" * 64 + content[64:]),
    "oversized length": _written(lambda content: content[:4] + b"\xff\xff\xff\x7f" + content[8:]),
    "damaged in the middle": _written(_damaged),
    "longer": _written(lambda content: content * 3 + b"\x01"),
    "huge": _huge,
    "endless": lambda path, _: path.symlink_to("/dev/zero"),
    "symbolic link": lambda path, _: path.symlink_to("/etc/hostname"),
    "FIFO": lambda path, _: os.mkfifo(path),
    "socket that never answers": lambda path, _: _listening(path),
    "directory": _with_file,
    "hard link to another user's file": _hard_link,
    "without permissions": lambda path, content: (_write(path, content), path.chmod(0))[1],
}


def files(folder: Path) -> dict[Path, bytes]:
    """What is in the regular files of a directory in use."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[path] = path.read_bytes()
    return found


def remove(path: Path) -> None:
    """Remove a path, whatever it is and however deep."""
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    else:
        path.unlink(missing_ok=True)


def copied(source: Path, target: Path, owner: int) -> None:
    """Copy the files of a directory, for another owner."""
    for found in sorted(source.rglob("*")):
        copy = target / found.relative_to(source)
        if found.is_dir():
            copy.mkdir(exist_ok=True)
        elif found.is_file():
            shutil.copyfile(found, copy)
        else:
            continue
        os.chown(copy, owner, owner)


def nest(path: Path, owner: int, levels: int = LEVELS) -> None:
    """Make a directory with so many directories in each other."""
    code = (
        "import os, sys\n"
        "path, owner, levels = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n"
        "os.mkdir(path); os.chown(path, owner, owner); os.chdir(path)\n"
        "for _ in range(levels): os.mkdir('d'); os.chown('d', owner, owner); os.chdir('d')\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(path), str(owner), str(levels)], check=True)
