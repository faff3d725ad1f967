"""The site bundle at the gate: verified, kept on disk, and at hand for the deciding thread.

A bundle comes over the broker (``receive``) or as a file in the folder ``inbox`` of the gate's data directory; both
ways end in ``judge``. The newest is kept in one file, replaced as a whole, so that a gate that starts without a
network knows what it knew. Keys that the operator's root has signed come with it and stay with it, and so do the
certificates of gates that issue walk-in passes, for as long as the newest bundle names them.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from passes.bundle import (
    AHEAD_MAX_S,
    BUNDLE_BYTES_MAX,
    Bundle,
    Problem,
    Refused,
    accept,
    join_bundle,
    open_state,
    split_bundle,
)
from passes.keys import KeySetError, KeySetFile, KeyTable
from passes.trust import ROOT_USE, STATUS_USE, Certificates, keys_for, open_certificates, open_key_set
from passes.vocabulary import ClockTrust
from passes.walkin import Certificate
from shell.clock import Clock
from shell.file_reading import open_regular
from shell.files import write_whole
from shell.logs import get_logger
from sync.messages import DeviceData

log = get_logger("bundles")

FILE: Final = "site.bundle"
INBOX: Final = "inbox"
SUFFIX: Final = ".bundle"
LOOK_EVERY_S: Final = 0.5
DEVICE: Final = "bundle"
_Version = tuple[int, int]
_NO_CERTIFICATES: Final = Certificates((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a gate holds: the key set in force, as it was signed (empty: as installed), and the newest bundle.

    ``keys`` sign passes: those of the key set, and the gates' own that the bundle's ``certificates`` name.
    """

    key_set: KeySetFile
    keys: KeyTable
    signed_key_set: bytes = b""
    bundle: Bundle | None = None
    certificates: Certificates = _NO_CERTIFICATES


def installed(anchor: KeySetFile) -> Holding:
    """What a gate holds that knows only its installed key set; raises ``KeySetError``."""
    return Holding(key_set=anchor, keys=anchor.to_domain())


def judge(
    holding: Holding, data: bytes, *, anchor: KeySetFile, now: datetime, trust: ClockTrust
) -> Holding | Refused | None:
    """What a bundle file makes of ``holding``: something newer, a refusal, or None when it is held already.

    Args:
        holding: What the gate holds.
        data: The whole file, from anywhere.
        anchor: The installed key set; its root keys say which key sets are good. Without any, none is taken over.
        now: Aware UTC wall time.
        trust: How far ``now`` can be believed.
    """
    parts = split_bundle(data)
    if isinstance(parts, Refused):
        return parts
    newer, rooted = holding, len(keys_for(ROOT_USE, anchor)) > 0
    if parts.key_set and rooted:
        try:
            key_set = open_key_set(parts.key_set, anchor)
        except KeySetError as error:
            return Refused(Problem.BAD_SIGNATURE, str(error))
        if key_set.seq > holding.key_set.seq:
            newer = replace(holding, key_set=key_set, signed_key_set=parts.key_set)
    bundle = open_state(parts.state, keys_for(STATUS_USE, newer.key_set), now=now, trust=trust)
    if isinstance(bundle, Refused):
        return bundle
    if rooted and bundle.keyset_seq > newer.key_set.seq:
        return Refused(
            Problem.WITHOUT_KEY_SET,
            f"the bundle goes with key set {bundle.keyset_seq}, and this gate has {newer.key_set.seq};"
            " carry the whole file",
        )
    if bundle != holding.bundle:
        refused = accept(holding.bundle, bundle, site=anchor.site, now=now, trust=trust)
        if refused is not None:
            return refused
    elif newer is holding:
        return None
    certificates = open_certificates(bundle.walkin, newer.key_set)
    keys = newer.key_set.to_domain(certificates.good)
    return replace(newer, bundle=bundle, certificates=certificates, keys=keys)


def load(folder: Path, anchor: KeySetFile, now: datetime) -> Holding | Refused | None:
    """What the file in ``folder`` says; None when there is no file.

    Its dates are not judged: a clock that lies behind them is the clock's trouble, and the floor will tell.
    """
    try:
        data = read_bounded(folder / FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Refused(Problem.MALFORMED, f"{folder / FILE} cannot be read ({error.strerror})")
    return judge(installed(anchor), data, anchor=anchor, now=now, trust=ClockTrust.UNTRUSTED)


def read_bounded(path: Path) -> bytes:
    """A file's bytes, one more than a bundle may have at most; raises ``OSError``."""
    with open_regular(path) as file:
        return file.read(BUNDLE_BYTES_MAX + 1)


class BundleKeeper:
    """Keeps the newest bundle of one gate. A thread of its own verifies and writes; readers never wait.

    Args:
        folder: The gate's data directory, which exists.
        anchor: The installed key set.
        clock: Time.
        raise_floor: Told that a moment has passed, by a date that the centre signed.
        report: Told once that bundles are refused or a file was broken, and once that they are good again.

    Raises:
        KeySetError: The installed key set cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        anchor: KeySetFile,
        *,
        clock: Clock,
        raise_floor: Callable[[datetime], None],
        report: Callable[[DeviceData], None],
    ) -> None:
        self._folder, self._anchor, self._clock = folder, anchor, clock
        self._raise_floor, self._report = raise_floor, report
        self._faulty = False
        self._holding = installed(anchor)  # replaced as a whole: readers need no lock
        self._came: deque[bytes] = deque(
            maxlen=1
        )  # by the broker, not judged yet: the newest takes the place
        self._unstored = b""  # what is in force and not on the disk yet
        self._left: dict[Path, _Version] = {}  # files in the inbox that cannot be taken, as they are
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="bundles", daemon=True)
        self._load()

    @property
    def keys(self) -> KeyTable:
        """The keys that sign passes, by the key set in force and the certificates of the bundle."""
        return self._holding.keys

    @property
    def bundle(self) -> Bundle | None:
        """The newest bundle; None when this gate never got one."""
        return self._holding.bundle

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Whose keys the newest bundle names as those of the site's gates; their dates are the reader's affair."""
        return self._holding.certificates.good

    @property
    def key_set(self) -> KeySetFile:
        """The key set in force, with keys of all uses."""
        return self._holding.key_set

    def signed_at(self) -> datetime | None:
        """When the centre signed the newest bundle, by its own clock; None when there is none."""
        bundle = self._holding.bundle
        return None if bundle is None else datetime.fromtimestamp(bundle.issued_at, UTC)

    def start(self) -> None:
        """Begin to look for new bundles."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a bundle that is being written is finished."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def receive(self, data: bytes) -> None:
        """Hand over what came by the broker; called from any thread, returns at once."""
        self._came.append(data)
        self._wake.set()

    def look(self) -> None:
        """Look into the inbox now; from any thread, returns at once."""
        self._wake.set()

    def offer(self, data: bytes) -> Refused | None:
        """Judge one file and keep it if it is newer; None when it is held now."""
        now, trust = self._clock.now(), self._clock.trust()
        judged = judge(self._holding, data, anchor=self._anchor, now=now, trust=trust)
        if isinstance(judged, Refused):
            self._fault(f"refused ({judged.problem.value}): {judged.detail}")
            return judged
        if judged is None:
            return None
        parts = split_bundle(data)
        assert not isinstance(parts, Refused)
        self._hold(judged)
        self._unstored = join_bundle(judged.signed_key_set, parts.state)
        self._store()
        return None

    def _store(self) -> None:
        """Put what is in force onto the disk, when it is not there yet."""
        if not self._unstored:
            return
        try:
            write_whole(self._folder / FILE, self._unstored)
        except OSError as error:
            self._fault(f"in force, but lost with the next start: {FILE} is not written ({error.strerror})")
            return
        self._unstored = b""
        if self._faulty:
            self._faulty = False
            self._report(DeviceData(device=DEVICE, state="recovered"))

    def _load(self) -> None:
        found = load(self._folder, self._anchor, self._clock.now())
        if isinstance(found, Holding):
            self._hold(found)
        elif found is not None:
            self._set_aside(found)

    def _hold(self, holding: Holding) -> None:
        before, self._holding = self._holding, holding
        assert holding.bundle is not None
        self._raise_floor(datetime.fromtimestamp(holding.bundle.issued_at - AHEAD_MAX_S, UTC))
        if holding.key_set.seq != before.key_set.seq:
            log.info("a newer key set is in force", keyset_seq=holding.key_set.seq)
        problems = holding.certificates.problems
        if problems and problems != before.certificates.problems:
            log.error("walk-in certificates are left out", problems=problems)

    def _set_aside(self, why: Refused) -> None:
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        aside = self._folder / f"{FILE}.broken-{stamp}"
        try:
            (self._folder / FILE).replace(aside)
        except OSError as error:
            log.error("the broken bundle stays where it is", error=str(error))
        self._fault(f"file set aside as {aside.name}: {why.detail}")

    def _fault(self, detail: str) -> None:
        """Tell it once, until a good bundle comes: whoever sends bad ones must not fill the journal."""
        if not self._faulty:
            self._faulty = True
            log.error("bundle", problem=detail)
            self._report(DeviceData(device=DEVICE, state="fault", detail=detail[:200]))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
            try:
                self._store()
                if self._came:
                    self.offer(self._came.popleft())
                self._look_into_inbox()
            except Exception:
                log.exception("bundles could not be looked after")

    def _look_into_inbox(self) -> None:
        """Take each file, and remove it once what it brought is on the disk. One that cannot be taken holds up none."""
        waiting = sorted((self._folder / INBOX).glob(f"*{SUFFIX}"))
        self._left = {path: version for path, version in self._left.items() if path in waiting}
        for path in waiting:
            try:
                version = _version(path)
                if self._left.get(path) == version:
                    continue
                self._left[path] = version
                refused = self.offer(read_bounded(path))
                if self._unstored:
                    del self._left[path]  # it stays, and is looked at again
                    continue
                path.unlink()
            except Exception:
                log.exception("a file in the inbox cannot be taken", file=path.name)
                continue
            log.info("bundle file from the inbox", file=path.name, refused=refused and refused.detail)


def _version(path: Path) -> _Version:
    """What changes when somebody puts another file into the place of this one."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
