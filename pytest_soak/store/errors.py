"""Errors of files, as messages for people."""

from __future__ import annotations

import errno
import os

_ADVICE = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some space, the disk quota is used up",
    errno.EACCES: "make it accessible to this user, or choose another directory",
    errno.EPERM: "make it accessible to this user, or choose another directory",
    errno.EROFS: "the file system is read-only, choose another directory",
    errno.ENOTDIR: "a part of that path is a file, choose another directory",
    errno.EEXIST: "something else has that name, move it away or choose another directory",
    errno.EISDIR: "a directory has that name, move it away",
    errno.ELOOP: "it is a link, put a regular file or directory there",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.EMFILE: "this process has too many open files, raise `ulimit -n`",
    errno.EFBIG: "the limit on the size of a file is reached, raise it (`ulimit -f`, RLIMIT_FSIZE)",
    errno.EIO: "the disk reports a fault, check it before going on",
}


class StoreError(Exception):
    """A file or directory cannot be used; the message says which, why, and what to do."""


def describe_os_error(action: str, path: str | os.PathLike[str], error: OSError) -> StoreError:
    """``StoreError("cannot write /a/b: No space left on device; free some space …")``."""
    why = error.strerror or str(error) or type(error).__name__
    advice = _ADVICE.get(error.errno) if error.errno is not None else None
    return StoreError(
        f"cannot {action} {os.fspath(path)}: {why}" + (f"; {advice}" if advice else "")
    )
