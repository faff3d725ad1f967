"""What only some machines give: a skip with its reason elsewhere, and a failure where CI has to try it."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest


def root_mounts() -> None:
    """The test mounts file systems."""
    _want(os.geteuid() == 0 and _can_mount(), "root, and leave to mount")


def loop_devices() -> None:
    """The test makes a file system of its own in a file and cuts its power."""
    root_mounts()
    tools = all(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("mkfs.ext4", "losetup"))
    _want(tools and Path("/dev/loop-control").exists(), "loop devices and mkfs.ext4 (Debian: e2fsprogs)")


def strace() -> None:
    """The test kills, fails or delays a process at one of its system calls."""
    _want(shutil.which("strace") is not None and _can_trace(), "strace, and leave to trace")


def memory_groups() -> Path:
    """The folder of the memory control groups, where one can be made."""
    root = Path("/sys/fs/cgroup/memory")
    _want(
        os.geteuid() == 0 and (root / "memory.limit_in_bytes").exists() and os.access(root, os.W_OK),
        "root, and memory control groups of version 1",
        elsewhere_too=True,
    )
    return root


def _want(given: bool, words: str, *, elsewhere_too: bool = False) -> None:  # a condition
    if given:
        return
    if os.environ.get("CI") == "true" and not elsewhere_too:
        pytest.fail(f"this test wants {words}, and CI has to try it")
    pytest.skip(f"wants {words}")


@cache
def _can_mount() -> bool:
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=4k", "trial", "/mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


@cache
def _can_trace() -> bool:
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0
