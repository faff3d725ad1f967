"""One camera: a thread that takes its pictures to its eye, judges what was seen, and reports.

Each presentation of a code is reported once. What is reported is queued and decided elsewhere. No pixel is
looked at here, and no library that does so is loaded: that is the eye's, in a process of its own. The camera
heals by itself: a source that is missing or lost is opened again with growing pauses, an eye that hangs costs
one picture, and a state is reported when it changes, not on each try.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from drivers.gate.view import ViewSection
from edge.vision.eye import Eye, ShotError
from edge.vision.frames import Hints, Source, SourceError, SourceLostError, shown
from edge.vision.freshness import Doubt, Freshness
from edge.vision.nursery import Nursery, NurseryError
from edge.vision.presentation import LEFT_AFTER_S, InView, left_in_view, look
from edge.vision.preview import Preview
from edge.vision.shot import EyeError, Region, Seen, Shot, Wanted
from edge.vision.source_words import Trouble
from edge.vision.sources import open_source
from edge.vision.telling import tell
from passes.words import Pair
from shell.clock import Clock

READS_PER_S: Final = 30.0  # every frame of most cameras; the eye makes little of a quiet scene
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
WELL_AFTER_S: Final = 5.0  # one that comes and goes more often is opened with growing pauses, too
BLIND_AFTER_S: Final = 3.0  # single pictures that nothing can be made of are no fault
CLOSE_WITHIN_S: Final = 0.9
_NO_CODE_LEFT: Final = Pair("视野中没有久停的码", "no code is left in view")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One presentation at one camera.

    Attributes:
        camera: Name of the camera.
        texts: All texts that were read in the frame, sorted; at least one of them was not held up before.
        at_s: Monotonic time of the frame.
    """

    camera: str
    texts: tuple[str, ...]
    at_s: float


class CameraState(StrEnum):
    """Whether something of a camera is as it should be."""

    OK = "ok"
    FAULT = "fault"


class About(StrEnum):
    """What of a camera a state is about; each has its own."""

    CAMERA = "camera"  # whether frames come that may be believed
    VIEW = "view"  # whether a code was left in view
    SETTINGS = "settings"  # whether it took what it was told


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """A change of state: which camera, what it is now, why in words, when (monotonic seconds), and of what."""

    camera: str
    state: CameraState
    words: Pair
    at_s: float
    about: About = About.CAMERA

    @property
    def detail(self) -> str:
        """The words in both languages, for a guard's screen."""
        return f"{self.words.zh} {self.words.en}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """What a lane says of its camera.

    Attributes:
        region: The part of the picture that is read.
        reads_per_s: At most so many pictures are looked at.
        hints: What is asked of a camera of this machine.
    """

    region: Region = field(default_factory=Region)
    reads_per_s: float = READS_PER_S
    hints: Hints = field(default_factory=Hints)

    @classmethod
    def of(cls, view: ViewSection | None) -> "CameraSettings":
        """What ``[lane.view]`` of ``gate.toml`` says."""
        if view is None:
            return cls()
        hints = Hints(exposure_ms=view.exposure, focus=view.focus, identity=view.device)
        return cls(region=Region(*view.region), reads_per_s=view.reads_per_s, hints=hints)


class Camera:
    """Reads one camera until it is closed.

    Args:
        name: Its name in reports.
        spec: Its source, as ``edge.vision.sources.open_source`` takes it.
        on_scan: Called from the camera's thread for each presentation; must not block.
        on_health: Called from the camera's thread when a state changes; must not block.
        clock: Time of the frames.
        nursery: Where the processes come from that look, and those that grab.
        settings: What the lane says of it.
        preview: Gets a small picture of some frames, while somebody looks.
        on_seen: Called from the camera's thread with what the eye saw of each picture that is believed; must
            not block.
        eye: Kind of child process that looks; tests bring others.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        on_scan: Callable[[Scan], None],
        on_health: Callable[[CameraHealth], None],
        clock: Clock,
        *,
        nursery: Nursery,
        settings: CameraSettings | None = None,
        preview: Preview | None = None,
        on_seen: Callable[[Seen], None] = lambda _: None,
        eye: str = "eye",
    ) -> None:
        self.name = name
        self.spec = spec
        self._on_scan = on_scan
        self._on_health = on_health
        self._clock = clock
        self._nursery = nursery
        self._settings = settings or CameraSettings()
        self._preview = preview
        self._on_seen = on_seen
        self._eye_kind = eye
        self._eye: Eye | None = None
        self._looked_at_any = False
        self._stop = threading.Event()
        self._source_lock = threading.Lock()
        self._source: Source | None = None
        self._states: dict[About, tuple[CameraState, str]] = {}
        self._view = InView()
        self._again = threading.Event()
        self._freshness = Freshness()
        self._sighted_s = 0.0  # when something could last be made of a picture
        self._blinded = False
        self._pause_s = FIRST_PAUSE_S
        self._well_since_s = float("inf")
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, also when the camera is missing."""
        self._sighted_s = self._clock.monotonic_s()
        self._eye = Eye(self.name, self._nursery, self._clock, kind=self._eye_kind)
        self._thread.start()

    def close(self) -> None:
        """Stop within a second. A network camera that is just being opened is left to its time-out."""
        self._stop.set()
        with self._source_lock:
            if self._source is not None:
                self._source.interrupt()
        if self._eye is not None:
            self._eye.close()
            self._thread.join(CLOSE_WITHIN_S)

    def look_again(self) -> None:
        """Report the codes in view once more, as if they had just come; any thread."""
        self._again.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._watched():
                    return
            except Exception:  # noqa: BLE001  # a fault that cannot even be told must not end the thread
                tell("camera", "exception", "a fault could not be told", camera=self.name)
            self._stop.wait(self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def _watched(self) -> bool:
        """Read from one opening of the source and report how it ended; True when it ended for good."""
        try:
            if self._watch():
                words = Pair("已放完", f"{shown(self.spec)} has come to its end")
                self._report(CameraState.FAULT, words)
                return True
        except SourceError as error:
            self._report(CameraState.FAULT, Pair(error.what.zh, str(error)))
        except NurseryError as error:  # it is still starting, or was lost: that is over in a moment
            self._lose_sight(str(error))
        except Exception as error:  # noqa: BLE001  # a lane without a reader is worse than a lost picture
            words = Pair(
                "读取出错，正在重新打开", f"reading failed: {type(error).__name__}. It is opened anew"
            )
            self._report(CameraState.FAULT, words)
            tell("camera", "exception", "reading failed, the source is opened again", camera=self.name)
        return False

    def _watch(self) -> bool:
        """Read from one opening of the source to its end; True when it ended for good.

        A film that was over before there was an eye for any of its pictures is begun again.
        """
        self._looked_at_any = False
        source = open_source(self.spec, self._clock, self._nursery, self._settings.hints)
        with self._source_lock:
            self._source = source
        try:
            turns = Turns(self._settings.reads_per_s)
            while not self._stop.is_set():
                shot = source.read(turns.due_s)
                if shot is None:
                    return self._looked_at_any
                turns.taken(shot.at_s)
                self._report_refused(source.refused)
                self._take(shot)
            return False
        finally:
            with self._source_lock:
                self._source = None
            source.close()

    def _take(self, shot: Shot) -> None:
        assert self._eye is not None, "the thread begins after the eye is there"
        longest_px = 0 if self._preview is None else self._preview.wanted_px()
        try:
            seen = self._eye.look(shot, Wanted(preview_px=longest_px, region=self._settings.region))
        except EyeError as error:
            if not self._blinded and not self._stop.is_set() and not isinstance(error, ShotError):
                tell("camera", "warning", "a picture was lost", camera=self.name, why=str(error))
            self._lose_sight(str(error))
            return
        now_s = self._clock.monotonic_s()
        self._sighted_s, self._blinded, self._looked_at_any = now_s, False, True
        doubted = self._freshness.doubt(seen, now_s)
        if doubted is None:
            if now_s - self._well_since_s >= WELL_AFTER_S:
                self._pause_s = FIRST_PAUSE_S
            self._report(CameraState.OK, Pair("画面正常", "frames arrive"))
            if self._preview is not None:
                self._preview.put(seen.preview, seen.at_s)
            self._on_seen(seen)
            self._present(seen)
        elif doubted.lasting:
            self._report(CameraState.FAULT, doubted.words, why=doubted.why)
            if doubted.why is Doubt.LATE:
                raise SourceLostError(self.spec, Trouble.LATE)

    def _present(self, seen: Seen) -> None:
        texts = tuple(sorted({code.text for code in seen.codes}))
        if self._again.is_set():
            self._again.clear()
            self._view = InView()
        self._view, new = look(self._view, texts, seen.at_s)
        if new and not self._stop.is_set():
            self._on_scan(Scan(camera=self.name, texts=texts, at_s=seen.at_s))
        if left_in_view(self._view, seen.at_s):
            words = Pair(
                f"有码停在视野中超过 {LEFT_AFTER_S:g} 秒：请看玻璃上是否贴着通行码，或有海报",
                f"a code is left in view for over {LEFT_AFTER_S:g} s: look for a pass on the glass, or a poster",
            )
            self._report(CameraState.FAULT, words, about=About.VIEW)
        else:
            self._report(CameraState.OK, _NO_CODE_LEFT, about=About.VIEW)

    def _lose_sight(self, why: str) -> None:
        """Nothing can be made of this picture; a fault when that lasts."""
        self._blinded = True
        if self._clock.monotonic_s() - self._sighted_s >= BLIND_AFTER_S:
            self._report(CameraState.FAULT, Pair("画面看不了，正在更换读图进程", why), why="blind")

    def _report_refused(self, refused: tuple[Pair, ...]) -> None:
        state = CameraState.FAULT if refused else CameraState.OK
        words = Pair("；".join(one.zh for one in refused), "; ".join(one.en for one in refused))
        self._report(state, words, about=About.SETTINGS, why=words.en)

    def _report(self, state: CameraState, words: Pair, *, about: About = About.CAMERA, why: str = "") -> None:
        """Tell a change. Only of a camera that is well is that told, too; a kind of fault is told once."""
        if about is About.CAMERA and state is CameraState.FAULT and self._preview is not None:
            self._preview.blind()
        before, before_why = self._states.get(about, (None, ""))
        if self._stop.is_set() or (state, why) == (before, before_why):
            return
        now_s = self._clock.monotonic_s()
        if about is About.CAMERA or before is not None or state is CameraState.FAULT:
            self._on_health(CameraHealth(camera=self.name, state=state, words=words, at_s=now_s, about=about))
            level: Literal["info", "warning"] = "info" if state is CameraState.OK else "warning"
            tell("camera", level, "camera", camera=self.name, about=about, state=state, detail=words.en)
        self._states[about] = state, why
        if about is About.CAMERA:
            self._well_since_s = now_s if state is CameraState.OK else float("inf")


class Turns:
    """Keeps to a number of pictures a second in the mean, without missing every other one by a hair.

    Args:
        per_s: That number.
    """

    def __init__(self, per_s: float) -> None:
        self._each_s = 1 / per_s
        self.due_s = 0.0

    def taken(self, at_s: float) -> None:
        """One was taken; ``due_s`` is when the next one may be."""
        earliest_s = at_s + self._each_s * (0.5 if self.due_s else 1.0)
        self.due_s = max(self.due_s + self._each_s, earliest_s)
