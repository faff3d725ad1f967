"""The gate of the benchmarks is a real one: a code before its camera moves a relay, and each stage has its time."""

import pytest

from benchmarks.cameras import endless, used
from benchmarks.gate_rig import RigError, memory_kb, running
from benchmarks.glass import STAGES, Scene, Stage, visit
from benchmarks.projector import Projector

pytestmark = pytest.mark.real


def test_a_visitor_is_let_in_and_the_stages_follow_each_other() -> None:
    stage = Stage(seed=1)
    scene = Scene(stage.empty())
    projector = Projector({"entry": scene.next_jpeg}, frames_per_s=10)
    try:
        with running({"entry": projector.address("entry")}) as rig:
            waited = visit(rig, stage, scene, 0)
            assert waited is not None
            assert len(waited) == len(STAGES)
            assert min(waited) >= 0
            looked = used(rig, 1.0, 1)
            assert looked.looked_per_s > 0
            assert looked.share > 0
            assert min(memory_kb(pid)[1] for pid in rig.pids()) > 0
            folder = rig.folder
    finally:
        projector.close()
    assert not folder.exists()


def test_a_gate_without_pictures_is_an_error_that_names_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gate_rig.STARTS_WITHIN_S", 4.0)
    projector = Projector({"entry": endless([b"no picture"])}, frames_per_s=10)
    try:
        with (
            pytest.raises(RigError, match="no picture of entry"),
            running({"entry": projector.address("entry")}),
        ):
            pass
    finally:
        projector.close()
