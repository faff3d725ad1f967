from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from edge.disk_policy import MB, Class, Disk, Quotas, Stored, is_tight, to_shed

ROOMY = Disk(free=10_000 * MB, size=20_000 * MB)
FULL = Disk(free=0, size=1000 * MB)
QUOTAS = Quotas(of=(0, 100 * MB, 10 * MB), free=50 * MB)


def stored(kind: Class, size_mb: int, at_s: float) -> Stored:
    return Stored(path=f"{kind.name.lower()}/{at_s}", kind=kind, size=size_mb * MB, at_s=at_s)


def test_within_the_quotas_and_with_room_nothing_goes() -> None:
    files = [stored(Class.PICTURE, 99, 1), stored(Class.LOG, 9, 2)]
    assert to_shed(files, ROOMY, QUOTAS) == []


def test_beyond_its_quota_the_oldest_of_a_class_go_and_of_no_other() -> None:
    pictures = [stored(Class.PICTURE, 40, at_s) for at_s in (3, 1, 2, 4)]
    assert [one.at_s for one in to_shed([*pictures, stored(Class.LOG, 10, 0)], ROOMY, QUOTAS)] == [1, 2]


def test_d3_on_a_full_disk_copies_go_first_then_pictures_then_logs() -> None:
    files = [stored(Class.LOG, 5, 1), stored(Class.LOG, 5, 2), stored(Class.PICTURE, 20, 9)]
    gone = to_shed([*files, stored(Class.COPY, 10, 99)], FULL, QUOTAS)
    assert [one.kind for one in gone] == [Class.COPY, Class.PICTURE, Class.LOG, Class.LOG]
    assert [one.kind for one in to_shed(files, Disk(free=35 * MB, size=1000 * MB), QUOTAS)] == [Class.PICTURE]


@given(
    st.lists(st.tuples(st.sampled_from(Class), st.integers(1, 60), st.integers(0, 99))), st.integers(0, 99)
)
def test_no_log_goes_for_room_while_there_is_a_picture(
    files: list[tuple[Class, int, int]], free_mb: int
) -> None:
    every = [stored(kind, size, at_s + place / 1000) for place, (kind, size, at_s) in enumerate(files)]
    Random(1).shuffle(every)
    wide = Quotas(of=(1 << 40,) * 3, free=50 * MB)
    gone = to_shed(every, Disk(free=free_mb * MB, size=1000 * MB), wide)
    assert all((a.kind, a.at_s) <= (b.kind, b.at_s) for a, b in pairwise(gone))
    freed = free_mb * MB + sum(one.size for one in gone)
    assert freed >= wide.free or len(gone) == len(every)
    assert not gone or freed - gone[-1].size < wide.free  # and none too many


def test_the_alarm_stands_from_80_per_cent_until_there_is_clearly_more_room() -> None:
    quotas = Quotas()
    levels = [(900, False), (210, False), (200, True), (230, True), (260, False), (240, False)]
    before = False
    for free, told in levels:
        before = is_tight(Disk(free=free * MB // 10, size=100 * MB), quotas, before=before)
        assert before == told, free
    assert not is_tight(
        Disk(free=50_000 * MB, size=500_000 * MB), quotas, before=False
    )  # 90 %, and years to go


class Compared(Stored):
    """A file that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Compared.compared += 1
        return self is other

    def __hash__(self) -> int:
        return hash(self.path)


def test_d3_a_folder_of_many_files_costs_each_of_them_one_look() -> None:
    files = [Compared(path=f"copy/{n}", kind=Class.COPY, size=1, at_s=n) for n in range(1000)]
    assert len(to_shed(files, FULL, QUOTAS)) == len(files)
    assert Compared.compared < 10 * len(files)
