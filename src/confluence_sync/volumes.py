"""What SQLite files need to know of the disk they lie on."""

from __future__ import annotations

from pathlib import Path

NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "afs",
    "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs",
}  # fmt: skip


def on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the folder of `path` lies on a file system where write-ahead logging cannot work; False where that cannot be told."""
    try:
        rows = [line.split(" ") for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return False
    folder = path.parent.resolve()
    above = [(len(row[1]), row[2]) for row in rows if len(row) > 2 and folder.is_relative_to(row[1].replace("\\040", " "))]
    return bool(above) and max(above)[1] in NETWORK


def made(path: Path) -> None:
    """Makes the file and its folder where they are missing. The umask decides who may write; SQLite's own 0644 would shut the group out."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o666)
