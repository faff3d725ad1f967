"""A gate on bad lines, in network namespaces with a real packet filter and a real broker."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real


def namespaces() -> str:
    """What is missing for namespaces with a packet filter; empty when nothing is."""
    for tool in ("unshare", "nft", "ip"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"{tool} is not installed (apt install util-linux nftables iproute2)"
    tried = subprocess.run(
        ["unshare", "--net", "nft", "add", "table", "inet", "tried"],
        check=False,
        capture_output=True,
        env=with_sbin(),
    )
    return "" if tried.returncode == 0 else "no right to make a network namespace with a packet filter"


def with_sbin() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def play(case: str, folder: Path) -> dict[str, Any]:
    missing = namespaces()
    if missing:
        assert os.environ.get("CI") != "true", missing
        pytest.skip(missing)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "tests.real.net.apart", case, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=with_sbin(),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def arrived_once(figures: dict[str, Any]) -> bool:
    return bool(figures["recorded"] == figures["rows"] == figures["ids"])


def test_net2_of_ten_packets_three_are_lost_and_no_event_is(tmp_path: Path) -> None:
    figures = play("lossy", tmp_path)
    assert figures["recorded"] >= 300
    assert arrived_once(figures)


def test_net4_a_line_that_died_without_a_word_is_noticed_within_a_minute_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    figures = play("half_open", tmp_path)
    assert figures["waiting"] >= 5
    assert figures["noticed_s"] <= 60
    assert arrived_once(figures)


def test_net7_a_line_that_comes_and_goes_keeps_neither_the_processor_nor_the_log_busy(tmp_path: Path) -> None:
    figures = play("flapping", tmp_path)
    assert figures["busy"] < 0.5
    assert figures["log_lines"] < 100
    assert arrived_once(figures)
