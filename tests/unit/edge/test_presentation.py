"""When a held code counts as shown: the cases a guard would name."""

from edge.vision.presentation import LEFT_AFTER_S, InView, left_in_view, look


def shown(frames: list[tuple[float, set[str]]]) -> list[tuple[float, tuple[str, ...]]]:
    """The presentations that a run of frames (time, texts) makes."""
    view, found = InView(), []
    for at_s, texts in frames:
        view, new = look(view, texts, at_s)
        if new:
            found.append((at_s, new))
    return found


def test_a_held_code_is_one_presentation() -> None:
    assert shown([(step / 10, {"A"}) for step in range(100)]) == [(0.0, ("A",))]


def test_a_code_that_flickers_is_one_presentation() -> None:
    assert shown([(0.0, {"A"}), (0.5, set()), (1.4, {"A"}), (2.8, {"A"})]) == [(0.0, ("A",))]


def test_a_code_that_was_away_for_a_second_and_a_half_is_shown_again() -> None:
    assert shown([(0.0, {"A"}), (1.5, {"A"})]) == [(0.0, ("A",)), (1.5, ("A",))]


def test_a_code_that_changes_is_a_new_presentation() -> None:
    assert shown([(0.0, {"A"}), (0.1, {"B"}), (0.2, {"B"})]) == [(0.0, ("A",)), (0.1, ("B",))]


def test_a_second_code_that_joins_is_a_new_presentation_and_its_leaving_is_none() -> None:
    frames: list[tuple[float, set[str]]] = [(0.0, {"A"}), (0.1, {"A", "B"}), (0.2, {"A"}), (0.3, {"A", "B"})]
    assert shown(frames) == [(0.0, ("A",)), (0.1, ("B",))]


def test_what_is_gone_is_forgotten() -> None:
    view, _ = look(InView(), {"A"}, 0.0)
    view, _ = look(view, set(), 1.5)
    assert view == InView({})


def left(frames: list[tuple[float, set[str]]]) -> list[tuple[str, ...]]:
    """After each frame: what has been in view for too long."""
    view, found = InView(), []
    for at_s, texts in frames:
        view, _ = look(view, texts, at_s)
        found.append(left_in_view(view, at_s))
    return found


def test_a_code_is_left_in_view_after_a_minute_until_it_goes_c8() -> None:
    held = [(float(step), {"A"}) for step in range(int(LEFT_AFTER_S) + 2)]
    found = left([*held, (LEFT_AFTER_S + 4, set())])
    assert found == [()] * 60 + [("A",), ("A",), ()]


def test_a_code_that_was_taken_away_for_a_while_was_not_left_in_view() -> None:
    assert left([(0.0, {"A"}), (40.0, {"A"}), (80.0, {"A"}), (90.0, {"B"})]) == [()] * 4


def test_a_code_that_leaves_and_returns_within_a_second_is_one_presentation_c7() -> None:
    frames: list[tuple[float, set[str]]] = [
        (step / 10, {"A"} if step % 10 == 0 else set()) for step in range(60)
    ]
    assert shown(frames) == [(0.0, ("A",))]
