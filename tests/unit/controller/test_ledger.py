from controller.ledger import Visit, VisitState, fold
from tests.unit.controller.passages import EPOCH, at, entry, leaving

STAY, OTHER_STAY = "5a" * 8, "5b" * 8


def test_an_entry_begins_a_visit_with_the_limit_that_its_gate_computed() -> None:
    assert fold([entry(1, 0, stay_id=STAY)]) == (
        Visit(
            stay_id=STAY,
            person="aa" * 8,
            pass_id="01" * 8,
            category="courier",
            unit=12,
            state=VisitState.INSIDE,
            entry_gate="south",
            entered_at=at(0),
            entry_assumed=False,
            due_at=at(60),
            clock_doubted=False,
        ),
    )


def test_an_exit_ends_the_stay_that_it_names() -> None:
    (first, second) = fold(
        [entry(1, 0, stay_id=STAY), entry(2, 5, stay_id=OTHER_STAY), leaving(3, 9, stay_id=STAY)]
    )
    assert (first.state, first.left_at, first.exit_event) == (VisitState.LEFT, at(9), ("south", EPOCH, 3))
    assert second.state is VisitState.INSIDE


def test_an_exit_that_arrives_before_its_entry_gives_the_same_visit() -> None:
    came, went = entry(1, 0, stay_id=STAY), leaving(2, 9, stay_id=STAY)
    assert fold([went, came]) == fold([came, went])
    assert fold([went]) == ()


def test_an_exit_without_a_stay_ends_the_newest_open_one_of_its_pass_before_that_of_its_person() -> None:
    mine, other = entry(1, 0, stay_id=STAY), entry(2, 5, stay_id=OTHER_STAY, pass_id="02" * 8)
    (first, second) = fold([mine, other, leaving(3, 9)])
    assert (first.left_at, second.left_at) == (at(9), None)
    (first, second) = fold([mine, other, leaving(3, 9, pass_id="03" * 8)])
    assert (first.left_at, second.left_at) == (None, at(9))


def test_an_exit_of_somebody_else_ends_nothing() -> None:
    (visit,) = fold([entry(1, 0, stay_id=STAY), leaving(2, 9, person="bb" * 8, pass_id="09" * 8)])
    assert visit.state is VisitState.INSIDE


def test_an_exit_before_the_entry_in_time_ends_nothing() -> None:
    (visit,) = fold([entry(1, 5, stay_id=STAY), leaving(2, 4)])
    assert visit.state is VisitState.INSIDE


def test_the_first_of_two_exits_counts() -> None:
    (visit,) = fold(
        [entry(1, 0, stay_id=STAY), leaving(3, 9, stay_id=STAY), leaving(2, 7, stay_id=STAY, assumed=True)]
    )
    assert (visit.left_at, visit.exit_assumed) == (at(7), True)


def test_an_exit_by_a_doubted_clock_ends_the_stay_that_it_names_whenever_that_was() -> None:
    came, years_ago = entry(1, 0, stay_id=STAY), leaving(2, -1e6, stay_id=STAY, clock_trusted=False)
    (visit,) = fold([came, years_ago])
    assert (visit.state, visit.left_at, visit.exit_doubted) == (VisitState.LEFT, at(-1e6), True)
    (visit,) = fold([came, years_ago, leaving(3, 9, stay_id=STAY)])
    assert (visit.left_at, visit.exit_doubted) == (at(9), False)


def test_an_entry_seen_twice_is_one_stay_and_confirmed_when_either_was() -> None:
    (visit,) = fold([entry(1, 0, stay_id=STAY, assumed=True), entry(2, 1, stay_id=STAY)])
    assert (visit.entered_at, visit.entry_assumed) == (at(0), False)
    (visit,) = fold([entry(1, 0, stay_id=STAY, assumed=True)])
    assert visit.entry_assumed


def test_an_exit_that_knows_when_its_stay_began_stands_for_a_lost_entry() -> None:
    (visit,) = fold([leaving(7, 9, stay_id=STAY, entered_minutes=1, due_minutes=61)])
    assert (visit.entered_at, visit.left_at, visit.due_at, visit.entry_assumed) == (
        at(1),
        at(9),
        at(61),
        True,
    )


def test_an_entry_by_a_doubted_clock_has_no_limit_here() -> None:
    (visit,) = fold([entry(1, 0, stay_id=STAY, clock_trusted=False)])
    assert (visit.due_at, visit.clock_doubted) == (None, True)


def test_only_a_believable_exit_is_in_time() -> None:
    came = entry(1, 0, stay_id=STAY, due_minutes=60)
    in_time = [
        fold([came, leaving(2, minutes, stay_id=STAY, clock_trusted=trusted)])[0].left_in_time()
        for minutes, trusted in ((60, True), (60.01, True), (30, False))
    ]
    assert in_time == [True, False, False]


def test_a_resident_who_comes_in_again_is_one_head_and_a_visitor_is_not_forgotten() -> None:
    def states(category: str) -> list[VisitState]:
        due = None if category == "resident" else 60
        return [
            visit.state
            for visit in fold(
                [
                    entry(1, 0, stay_id=STAY, category=category, due_minutes=due),
                    entry(2, 30, stay_id=OTHER_STAY, category=category, due_minutes=due),
                ]
            )
        ]

    assert states("resident") == [VisitState.REPLACED, VisitState.INSIDE]
    assert states("courier") == [VisitState.INSIDE, VisitState.INSIDE]
