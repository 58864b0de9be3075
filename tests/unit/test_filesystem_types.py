from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from fleet.errors import JournalError
from fleet.journal import filesystem

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw shared:3 master:2 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/ann/local\040disk rw - xfs /dev/vdb rw
32 27 0:42 / /mnt/twice rw - ext4 /dev/vdc rw
33 32 0:43 / /mnt/twice rw - cifs //server/share rw
34 27 0:44 / /mnt/back\134slash rw - fuse.sshfs ann@host: rw
not a line of this file
35 27 0:45 / /mnt/cut
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/var/lib/fleet", "ext4", id="the root"),
        pytest.param("/", "ext4", id="the root itself"),
        pytest.param("/home/ann/fleet", "nfs4", id="a mount below"),
        pytest.param("/home/ann/local disk/fleet", "xfs", id="the deepest one, with a blank"),
        pytest.param("/homework", "ext4", id="not a name that begins alike"),
        pytest.param("/mnt/twice/x", "cifs", id="the later of two hides the earlier"),
        pytest.param("/mnt/back\\slash/x", "fuse.sshfs", id="a backslash"),
    ],
)
def test_finds_the_type_of_the_mount_that_a_path_lies_on(path: str, kind: str) -> None:
    assert filesystem.type_of(PurePosixPath(path), MOUNTS) == kind


def test_claims_nothing_where_nothing_is_listed() -> None:
    assert filesystem.type_of(PurePosixPath("/x"), "") is None


def test_claims_nothing_where_the_kernel_does_not_say(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"

    assert not filesystem.is_network(tmp_path, mountinfo=nowhere)
    filesystem.refuse_network(tmp_path, mountinfo=nowhere)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.s3fs"])
def test_refuses_a_disk_that_several_machines_reach(tmp_path: Path, kind: str) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"27 1 254:0 / / rw - {kind} x rw\n")

    with pytest.raises(JournalError, match=f"on a {kind} file system: it") as caught:
        filesystem.refuse_network(tmp_path / "not there yet", mountinfo=mountinfo)
    assert caught.value.hint == "Choose a folder on a local disk."


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk"])
def test_a_local_disk_is_fine(tmp_path: Path, kind: str) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"27 1 254:0 / / rw - {kind} x rw\n")

    filesystem.refuse_network(tmp_path, mountinfo=mountinfo)


def test_follows_links_to_the_disk_that_is_meant(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    mountinfo.write_text(
        f"1 0 8:1 / / rw - ext4 x rw\n2 1 0:9 / {tmp_path.resolve()}/far rw - nfs y rw\n"
    )

    assert filesystem.is_network(tmp_path / "near" / "fleet", mountinfo=mountinfo)
