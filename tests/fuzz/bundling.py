"""What a gate may make of whatever comes as a site bundle: a refusal, or what somebody with a key has signed.

The first byte of an input says how far it gets: ``f`` is a file as it came; ``s``, ``c`` and ``k`` stand for state,
walk-in certificate and key set that a good key has signed, whatever they say; capitals bring CBOR into its canonical
spelling first, so that more of it passes the reader's first question.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundles import Holding, installed, judge
from passes.bundle import (
    STATUS_BYTES,
    STATUS_PLACES,
    Before,
    Bundle,
    Extension,
    Red,
    RedCause,
    Refused,
    join_bundle,
    open_state,
    pack_statuses,
    split_bundle,
)
from passes.cose import cut_file, seal_file
from passes.gp1 import Algorithm
from passes.keys import KeySetError, KeySetFile, ed25519_public, key_id
from passes.trust import (
    KEY_SET_BYTES_MAX,
    STATUS_USE,
    keys_for,
    open_certificates,
    open_key_set,
)
from passes.vocabulary import ClockTrust, PassStatus
from passes.walkin import CERTIFICATE_BYTES_MAX, CERTIFICATE_LIFE_MAX
from tests.bundling import Office
from tests.fuzz.judging import ForgeryError, hostile_cbor
from tests.minting import NOW, NOW_UNIX


class _Signer:
    """Signs anything as one kind of file."""

    def __init__(self, domain: bytes, secret: bytes) -> None:
        self._domain, self._key = domain, Ed25519PrivateKey.from_private_bytes(secret)
        self._kid = key_id(ed25519_public(self._key))

    def __call__(self, payload: bytes) -> bytes:
        return seal_file(
            payload, domain=self._domain, algorithm=Algorithm.ED25519, kid=self._kid, sign=self._key.sign
        )


_OFFICE: Final = Office()
_signed_state: Final = _Signer(b"postern/bundle/1", _OFFICE.status_secret)
_signed_certificate: Final = _Signer(b"postern/walkin/1", _OFFICE.config_secret)
_signed_key_set: Final = _Signer(b"postern/keyset/1", _OFFICE.root_secret)
_KEY_SET: Final = _OFFICE.key_set()
_STATUS_KEYS: Final = keys_for(STATUS_USE, _KEY_SET)
_HELD: Final = installed(_KEY_SET)
_CERTIFICATE: Final = _OFFICE.certificate(b"\x07" * 32)
_BUNDLES: Final = (
    _OFFICE.bundle(),
    _OFFICE.bundle(
        9,
        statuses=pack_statuses({0: PassStatus.INVALID, STATUS_PLACES - 1: PassStatus.USED_UP}),
        red=(Red(b"\x0a" * 8, NOW_UNIX, RedCause.OVERSTAY), Red(b"\x0b" * 8, NOW_UNIX, 77)),
        before=(Before(b"\x01" * 4, NOW_UNIX), Before(b"\x0a" * 8, NOW_UNIX - 5)),
        extensions=(Extension(b"\x05" * 8, NOW_UNIX + 600),),
        walkin=(_CERTIFICATE,),
    ),
)
_KEY_SETS: Final = (_KEY_SET, _OFFICE.key_set(2))
_SIGNED_KEY_SET: Final = _OFFICE.signed_key_set(_KEY_SETS[1])
_FILES: Final = tuple(_OFFICE.sealed(one, key_set=_SIGNED_KEY_SET) for one in _BUNDLES)


def judge_bundle(data: bytes) -> str:
    """Name the answer to one input; raises for what no gate may do: fail, or take what nobody signed."""
    kind, rest = data[:1], data[1:]
    match kind:
        case b"s" | b"S":
            return _state(_spelled(rest) if kind == b"S" else rest)
        case b"c" | b"C":
            return _certificate(_spelled(rest) if kind == b"C" else rest)
        case b"k":
            return _key_set(rest)
        case _:
            return _file(rest)


def bundle_seeds() -> Iterator[bytes]:
    """Good files, and the signed content of each of their parts; and what CBOR and JSON allow and we do not."""
    for file, bundle in zip(_FILES, _BUNDLES, strict=True):
        parts = split_bundle(file)
        assert not isinstance(parts, Refused)
        yield b"f" + file
        yield b"f" + join_bundle(b"", parts.state)
        yield b"f" + join_bundle(parts.state, parts.key_set)
        state = cut_file(parts.state).payload
        yield b"s" + state
        yield b"S" + state
        assert bundle.seq == cbor2.loads(state)["seq"]
    for kind in (b"c", b"C"):
        yield kind + cut_file(_CERTIFICATE).payload
    keys = _OFFICE.key_set(2)
    yield b"k" + cut_file(_SIGNED_KEY_SET).payload
    yield b"k" + keys.model_copy(update={"keys": keys.keys[:1]}).model_dump_json(exclude_none=True).encode()
    yield from (
        b"k" + text for text in (b"{}", b"[" * 300, b'{"v":1,"v":1}', b'"\\ud800"', b"\xff", b"1e999")
    )
    for hostile in hostile_cbor():
        yield from (kind + hostile for kind in (b"s", b"c", b"f"))


def _file(data: bytes) -> str:
    """A file that nobody signed here: the gate takes the good ones alone."""
    found = judge(_HELD, data, anchor=_KEY_SET, now=NOW, trust=ClockTrust.TRUSTED)
    if isinstance(found, Refused):
        return f"file {found.problem}"
    assert isinstance(found, Holding)
    if found.bundle not in _BUNDLES or found.key_set not in _KEY_SETS:
        raise ForgeryError(repr(found))
    return "file taken"


def _state(payload: bytes) -> str:
    found = open_state(_signed_state(payload), _STATUS_KEYS, now=NOW, trust=ClockTrust.TRUSTED)
    if isinstance(found, Refused):
        return f"state {found.problem}"
    _use(found)
    return "state taken"


def _use(bundle: Bundle) -> None:
    """Ask it all that a gate asks: nothing may raise, and what stands in it is found."""
    assert len(bundle.statuses) <= STATUS_BYTES
    assert bundle.status_of(STATUS_PLACES) is bundle.status_of(-1) is PassStatus.VALID
    assert bundle.status_of(0) in PassStatus
    assert all(bundle.is_red(red.key) for red in bundle.red)
    assert all(bundle.due_of(one.stay.hex()) is not None for one in bundle.extensions)
    assert bundle.age_s(NOW) >= 0
    assert bundle.issued_at < bundle.expires_at
    open_certificates(bundle.walkin, _KEY_SET)


def _certificate(payload: bytes) -> str:
    data = _signed_certificate(payload)
    good, problems = open_certificates((data,), _KEY_SET)
    assert len(good) + len(problems) == 1
    for one in good:
        assert len(_KEY_SET.to_domain((one,))) == len(_HELD.keys) + 1
        granted = one.delegation
        assert granted.site == _KEY_SET.site
        assert granted.problem() is None
        assert granted.not_after - granted.not_before <= CERTIFICATE_LIFE_MAX
    assert len(data) <= CERTIFICATE_BYTES_MAX or problems
    return "certificate refused" if problems else "certificate taken"


def _key_set(payload: bytes) -> str:
    """A key set that the root has signed: refused, or such that a gate goes on with it."""
    data = _signed_key_set(payload)
    try:
        keys = open_key_set(data, _KEY_SET)
    except KeySetError:
        return "key set refused"
    assert len(data) <= KEY_SET_BYTES_MAX
    assert keys.site == _KEY_SET.site
    assert KeySetFile.model_validate_json(keys.model_dump_json(exclude_none=True)) == keys
    _goes_on(data, keys)
    return "key set taken"


def _goes_on(data: bytes, keys: KeySetFile) -> None:
    parts = split_bundle(_FILES[1])
    assert not isinstance(parts, Refused)
    found = judge(_HELD, join_bundle(data, parts.state), anchor=_KEY_SET, now=NOW, trust=ClockTrust.TRUSTED)
    if keys.seq > _KEY_SET.seq and isinstance(found, Holding):
        assert found.key_set == keys


def _spelled(payload: bytes) -> bytes:
    """The same content in its canonical spelling, where it has one."""
    with suppress(Exception):  # whatever the library makes of it, the gate is asked next
        return cbor2.dumps(cbor2.loads(payload, max_depth=8), canonical=True)
    return payload
