r"""Which file system a path lies on, and whether a journal may live there.

SQLite's WAL keeps an index in memory that all processes share, and relies on
locks that tell the truth: a disk that several machines reach gives neither
Nothing is claimed
where the kernel does not say, as outside Linux.

Shapes:  lines of ``/proc/self/mountinfo``: ``36 35 98:0 / /mnt rw,noatime master:1 - ext3
         /dev/root rw``; blanks in a path are written ``\040``.
Source:  proc_pid_mountinfo(5); https://www.sqlite.org/wal.html (same host only)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from fleet.errors import JournalError

MOUNTINFO = Path("/proc/self/mountinfo")

_LOCKS = "its locks and shared memory do not reach across machines"
_OBJECTS = "it stores whole objects, and cannot change a part of a file in place"

NETWORK: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "glusterfs",
            "lustre", "ncpfs", "beegfs", "gpfs", "gfs2", "ocfs2", "orangefs", "pvfs2", "panfs",
            "prl_fs", "vboxsf", "vmhgfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph",
            "fuse.ceph-fuse", "fuse.moosefs", "fuse.mfs", "fuse.lizardfs", "fuse.juicefs",
            "fuse.seaweedfs", "fuse.davfs", "davfs", "fuse.vmhgfs-fuse", "fuse.gvfsd-fuse",
            "fuse.smbnetfs",
        ),
        _LOCKS,
    ),
    **dict.fromkeys(
        (
            "fuse.s3fs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.gcsfuse", "fuse.goofys",
            "fuse.rclone", "fuse.mount-s3",
        ),
        _OBJECTS,
    ),
}  # fmt: skip
"""``{type: why a journal cannot live on it}``."""

_ESCAPE = re.compile(r"\\([0-7]{3})")
_MOUNT_POINT_FIELD = 4


def type_of(path: PurePosixPath, mountinfo: str) -> str | None:
    r"""Return the type of the file system that *path*, absolute and resolved, lies on.

    >>> type_of(PurePosixPath("/a/b"), "1 0 8:1 / / rw - ext4 x rw\n2 1 0:9 / /a rw - nfs4 y rw")
    'nfs4'
    """
    found, depth = None, 0
    for line in mountinfo.splitlines():
        where, _, what = line.partition(" - ")
        fields = where.split()
        if len(fields) <= _MOUNT_POINT_FIELD or not what:
            continue
        point = PurePosixPath(_unescaped(fields[_MOUNT_POINT_FIELD]))
        # Not less, so that the later of two mounts on one point wins: it hides the earlier.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = what.split()[0], len(point.parts)
    return found


def is_network(path: Path, *, mountinfo: Path) -> bool:
    """Whether *path* is known to lie on a disk that several machines reach."""
    return _kind(path, mountinfo) in NETWORK


def refuse_network(path: Path, *, mountinfo: Path) -> None:
    """Raise :exc:`JournalError` where a journal cannot live at *path*, there yet or not."""
    kind = _kind(path, mountinfo)
    if kind is not None and kind in NETWORK:
        message = f"a journal cannot live at {path}, on a {kind} file system: {NETWORK[kind]}"
        raise JournalError(message, hint="Choose a folder on a local disk.")


def _kind(path: Path, mountinfo: Path) -> str | None:
    try:
        text = mountinfo.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return type_of(PurePosixPath(path.resolve()), text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
