"""Changing the keys of a site: what a rotation or a compromise makes of its key set, and writing that down.

Planning is pure; ``write`` stages every file before it touches one, so that a full disk changes nothing. Then it puts
new private keys first, then the signed key set, then ``keyset.json``, so that whatever is cut short can be taken up
again. The operator's root key signs each key set; nothing else of it is needed.

KeyChangeError       the change cannot be made; says why and what instead
└── UnsafeError      it would harm the site as it is now
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.issuer_keys import (
    CLOCKS_APART,
    COLOUR_OF_FILE,
    IssuerKeyError,
    key_path,
    load_private,
    pem_of,
)
from controller.issuing import LIFE_MAX
from controller.site_keys import SIGNED_SUFFIX, SiteKey, sign_key_set
from passes.keys import KeyEntry, KeySetError, KeySetFile, ed25519_public, key_id
from passes.trust import CONFIG_USE, ROOT_USE, STATUS_USE, keys_for, open_key_set
from passes.vocabulary import Category, Colour
from shell.files import PUBLIC, SECRET, Staged, stage, write_whole

LEAD: Final = timedelta(
    hours=24
)  # as long as a bundle lives: a gate that has none newer asks the guard anyway
KEYS_LIVE: Final = timedelta(days=400)
EARLY: Final = timedelta(hours=1)  # a key that has to work at once works at gates with slow clocks, too
GONE: Final = ".withdrawn"
_SIGNS: Final = {STATUS_USE: "site bundles", CONFIG_USE: "certificates of gates that issue walk-in passes"}

Generate = Callable[[], Ed25519PrivateKey]


class KeyChangeError(Exception):
    """The keys cannot be changed like this."""


class UnsafeError(KeyChangeError):
    """The change would harm the site as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A planned change: the next key set, the private keys to write, those to put aside, and what it means."""

    key_set: KeySetFile
    made: tuple[tuple[str, Ed25519PrivateKey], ...] = ()
    withdrawn: tuple[str, ...] = ()
    consequences: tuple[str, ...] = ()


def name_of(entry: KeyEntry) -> str:
    """What people call a key: resident, visitor, or its use."""
    if entry.use != "pass":
        return entry.use
    colours = {Category.from_code(code).colour for code in entry.categories}
    return next((name for name, colour in COLOUR_OF_FILE.items() if colours == {colour}), entry.use)


def rotate(
    held: KeySetFile,
    name: str,
    *,
    now: datetime,
    lead: timedelta = LEAD,
    generate: Generate = Ed25519PrivateKey.generate,
) -> Change:
    """A new resident or visitor key, known to gates ``lead`` before its first use; or a new config key, at once.

    The old key stays until the last pass that it may still sign has expired. What a config key signed is signed anew
    in the very bundle that brings the new one, so the old one goes. Raises ``KeyChangeError``.
    """
    if name == CONFIG_USE:
        return _replace_config(held, now=now, generate=generate)
    colour = COLOUR_OF_FILE.get(name)
    if colour is None:
        raise KeyChangeError(
            f"{name}: only resident, visitor and config keys rotate; see docs/keys.md for the others"
        )
    olds = [entry for entry in held.keys if name_of(entry) == name and entry.not_after > now]
    waiting = next((entry for entry in olds if entry.not_before > now), None)
    if waiting is not None:
        raise UnsafeError(
            f"{name} key {waiting.kid} already waits for {_at(waiting.not_before)}; let it come first"
        )
    switch = _second(now) + lead
    ends = switch + CLOCKS_APART + LIFE_MAX[colour]
    private, entry = _pass_key(colour, generate(), not_before=switch, not_after=switch + KEYS_LIVE)
    kept = [
        one.model_copy(update={"not_after": min(one.not_after, ends)}) if one in olds else one
        for one in held.keys
        if one.not_after > now
    ]
    return Change(
        key_set=held.model_copy(update={"seq": held.seq + 1, "keys": [*kept, entry]}),
        made=((_file(name, entry), private),),
        consequences=(
            f"From {_at(switch)} on, {name} passes are signed by key {entry.kid}; gates hear of it before.",
            *(
                f"Key {one.kid} stays good until {_at(min(one.not_after, ends))}, for the passes it signed."
                for one in olds
            ),
        ),
    )


def withdraw(
    held: KeySetFile,
    kid: str,
    *,
    now: datetime,
    live: int | None = None,
    generate: Generate = Ed25519PrivateKey.generate,
) -> Change:
    """The key set without this key; a key that is needed at once is made for it.

    Args:
        held: The key set as it is.
        kid: Which key is not to be believed any more.
        now: When.
        live: How many passes it signed that have not expired, where that is known.
        generate: Makes a private key.

    Raises:
        KeyChangeError: There is no such key.
        UnsafeError: It is the root key: what it signs cannot be withdrawn by itself.
    """
    lost = next((entry for entry in held.keys if entry.kid == kid), None)
    if lost is None:
        raise KeyChangeError(f"the key set has no key {kid}; see: postern-controller site keys list")
    if lost.use == ROOT_USE:
        raise UnsafeError(
            f"{kid} is the operator's root: every gate needs a new key set by hand (docs/keys.md)"
        )
    name, rest = name_of(lost), [entry for entry in held.keys if entry.kid != kid]
    made: tuple[tuple[str, Ed25519PrivateKey], ...] = ()
    colour = COLOUR_OF_FILE.get(name)
    told = [_dies(lost, name, live)]
    times = {"not_before": _second(now) - EARLY, "not_after": _second(now) + KEYS_LIVE}
    if colour is not None and not any(
        name_of(one) == name and one.not_before <= now < one.not_after for one in rest
    ):
        private, entry = _pass_key(colour, generate(), **times)
        rest, made = [*rest, entry], ((_file(name, entry), private),)
        told.append(f"Key {entry.kid} signs {name} passes at once; issue the lost passes again.")
    elif lost.use in _SIGNS:
        private = generate()
        entry = SiteKey(lost.use, private).entry(**times)
        rest, made = [*rest, entry], ((lost.use, private),)
        told.append(f"Key {entry.kid} signs {_SIGNS[lost.use]} at once.")
    told.append(
        "A gate that is offline believes the old key until a bundle reaches it: carry one there by USB stick."
    )
    return Change(
        key_set=held.model_copy(update={"seq": held.seq + 1, "keys": rest}),
        made=made,
        withdrawn=(kid,),
        consequences=tuple(told),
    )


def _replace_config(held: KeySetFile, *, now: datetime, generate: Generate) -> Change:
    """A config key in place of the one there is; the first one of a site that was made without."""
    private = generate()
    entry = SiteKey(CONFIG_USE, private).entry(
        not_before=_second(now) - EARLY, not_after=_second(now) + KEYS_LIVE
    )
    olds = [one for one in held.keys if one.use == CONFIG_USE]
    return Change(
        key_set=held.model_copy(
            update={"seq": held.seq + 1, "keys": [one for one in held.keys if one not in olds] + [entry]}
        ),
        made=((CONFIG_USE, private),),
        withdrawn=tuple(one.kid for one in olds),
        consequences=(
            f"Key {entry.kid} signs {_SIGNS[CONFIG_USE]} at once; no pass is touched.",
            *(f"Key {one.kid} signs nothing any more." for one in olds),
        ),
    )


def ending(held: KeySetFile, now: datetime) -> list[KeyEntry]:
    """Keys that will soon sign no pass of a full life, while no key of the same name comes after them."""
    found = []
    for name, colour in COLOUR_OF_FILE.items():
        same = [entry for entry in held.keys if name_of(entry) == name]
        last = max(same, key=lambda entry: entry.not_after, default=None)
        if last is not None and last.not_after < now + LEAD + LIFE_MAX[colour]:
            found.append(last)
    return found


def _dies(lost: KeyEntry, name: str, live: int | None) -> str:
    if lost.use == CONFIG_USE:
        return f"Certificates signed by {lost.kid} are refused; those of the enrolled gates are signed anew."
    if lost.use == STATUS_USE:
        return f"Bundles signed by {lost.kid} are refused; passes are not touched."
    count = "All" if live is None else str(live)
    return (
        f"{count} {name} passes that key {lost.kid} signed and that have not expired open no gate any more."
    )


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the keys of one site lie. ``root`` is the operator's private root key, perhaps on a stick."""

    site: int
    keys_dir: Path
    keyset: Path
    root: Path

    def load_root(self, held: KeySetFile) -> SiteKey:
        """The root key; raises ``IssuerKeyError`` also when the key set in force does not name it."""
        key = SiteKey(ROOT_USE, load_private(self.root))
        if not any(entry.use == ROOT_USE and entry.kid == key.kid.hex() for entry in held.keys):
            raise IssuerKeyError(f"{self.root}: is not the root key that this site's key set names")
        return key

    def write(self, change: Change, root: SiteKey) -> None:
        """Carry out a change; raises ``OSError``, and on a full disk nothing has changed then."""
        lost = self._files_of(change.withdrawn)
        with ExitStack() as undo:

            def staged(path: Path, data: bytes, mode: int) -> Staged:
                file = stage(path, data, mode=mode)
                undo.callback(file.discard)
                return file

            keys = [
                staged(key_path(self.keys_dir, self.site, name), pem_of(private), SECRET)
                for name, private in change.made
            ]
            signed = staged(
                self.keyset.with_suffix(SIGNED_SUFFIX), sign_key_set(change.key_set, root), PUBLIC
            )
            key_set = staged(self.keyset, _json(change.key_set), PUBLIC)
            for path in lost:
                path.rename(path.with_name(f"{path.name}{GONE}"))
            for key in keys:
                self._clear(key.path, change.key_set)
                key.put_new()
            signed.put_over()
            key_set.put_over()

    def _clear(self, path: Path, keys: KeySetFile) -> None:
        """Put aside a key that a change wrote which was then cut short: no key set names it."""
        if path.exists():
            kid = key_id(ed25519_public(load_private(path))).hex()
            if not any(entry.kid == kid for entry in keys.keys):
                path.rename(path.with_name(f"{path.name}{GONE}"))

    def newest(self, held: KeySetFile, *, write: bool) -> KeySetFile:
        """The key set to go on from: a change that was cut short between the two files counts, and is finished."""
        try:
            signed = open_key_set(self.keyset.with_suffix(SIGNED_SUFFIX).read_bytes(), held)
        except FileNotFoundError:
            return held
        except KeySetError as error:
            raise IssuerKeyError(f"{self.keyset.with_suffix(SIGNED_SUFFIX)}: {error}") from error
        if signed.seq <= held.seq:
            return held
        if write:
            write_whole(self.keyset, _json(signed))
        return signed

    def sign(self, held: KeySetFile, root: SiteKey) -> None:
        """Write the root's signature of the key set as it is."""
        write_whole(self.keyset.with_suffix(SIGNED_SUFFIX), sign_key_set(held, root))

    def is_signed(self, held: KeySetFile) -> bool:
        """Whether the root's signature of this very key set lies beside it."""
        try:
            return open_key_set(self.keyset.with_suffix(SIGNED_SUFFIX).read_bytes(), held) == held
        except (OSError, KeySetError):
            return False

    def here(self) -> frozenset[str]:
        """Ids of the keys whose private half lies in ``keys_dir``."""
        return frozenset(kid for _, kid in self._private())

    def _files_of(self, kids: Sequence[str]) -> list[Path]:
        return [path for path, kid in self._private() if kid in kids]

    def _private(self) -> list[tuple[Path, str]]:
        paths = [*self.keys_dir.glob(f"site-{self.site}-*.pem"), self.root]
        return [
            (path, key_id(ed25519_public(load_private(path))).hex())
            for path in sorted(paths)
            if path.exists()
        ]


def names_a_root(held: KeySetFile) -> bool:
    """Whether gates with this key set take over newer ones at all."""
    return len(keys_for(ROOT_USE, held)) > 0


def _pass_key(
    colour: Colour, private: Ed25519PrivateKey, *, not_before: datetime, not_after: datetime
) -> tuple[Ed25519PrivateKey, KeyEntry]:
    public = ed25519_public(private)
    entry = KeyEntry(
        kid=key_id(public).hex(),
        alg="ed25519",
        public=public.hex(),
        use="pass",
        categories=[category.code for category in Category if category.colour is colour],
        not_before=not_before,
        not_after=not_after,
    )
    return private, entry


def _file(name: str, entry: KeyEntry) -> str:
    return f"{name}-{entry.kid}"


def _second(now: datetime) -> datetime:
    return now.replace(microsecond=0)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _json(keys: KeySetFile) -> bytes:
    return keys.model_dump_json(indent=1).encode() + b"\n"
