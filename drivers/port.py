"""A serial port that opens exclusively, sets everything once, and fails in one family of errors.

pyserial reports one unplugged cable as SerialException, OSError or termios.error, depending on the call. Here::

    PortError               the port cannot be used
    ├── PortMissingError    there is no such device now; it may come (back)
    ├── PortDeniedError     this user may not open it
    ├── PortBusyError       another program holds it
    ├── PortStrangerError   another device than the configured one is there
    ├── PortForeignError    a device is there that does not speak the configured protocol
    └── PortLostError       it was open, and went away
"""

import errno
import os
import termios
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Protocol

import serial

from drivers.holders import holder_of
from drivers.model import LineSettings, Parity
from drivers.usb_ids import foreign_hint
from drivers.usb_socket import PortIdentity, identity_of
from passes.words import Pair

WRITE_WITHIN_S: Final = 0.2  # forty times what the longest burst of commands takes at 9600 baud
_READ_MAX: Final = 4096
_GONE: Final = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO)
_DENIED: Final = (errno.EACCES, errno.EPERM)
_HELD: Final = (errno.EAGAIN, errno.EBUSY)
_PSEUDO_TERMINALS: Final = Path("/dev/pts")  # these take a parity once and fail at the next set-up
_PARITIES: Final = {
    Parity.NONE: serial.PARITY_NONE,
    Parity.EVEN: serial.PARITY_EVEN,
    Parity.ODD: serial.PARITY_ODD,
}
_PYSERIAL_ERRORS: Final = (OSError, termios.error)  # SerialException is an OSError, termios.error is not


class PortError(Exception):
    """The port cannot be used; ``port`` is its path."""

    def __init__(self, port: str, message: str) -> None:
        super().__init__(message)
        self.port = port


class PortMissingError(PortError):
    """There is no such device now."""

    def __init__(self, port: str) -> None:
        super().__init__(
            port, f"Port {port} is not there. Plug the board in, or list the ports: postern-driver ports"
        )


class PortDeniedError(PortError):
    """The device is there, and this user may not open it."""

    def __init__(self, port: str) -> None:
        super().__init__(
            port,
            f"Port {port} may not be opened by this user. Add the user to the port's group "
            "(see: postern-driver ports) and log in again",
        )


class PortBusyError(PortError):
    """Another program holds the device; ``holder`` says which, when that can be seen."""

    def __init__(self, port: str, holder: str | None) -> None:
        super().__init__(
            port,
            f"Port {port} is in use by {holder or 'another program'}. "
            "Stop that program (a running gate holds its boards), or name another port",
        )
        self.holder = holder


class PortStrangerError(PortError):
    """Another device is there than the configured one: ``expected`` and ``found``."""

    def __init__(self, port: str, *, expected: PortIdentity, found: PortIdentity) -> None:
        super().__init__(
            port,
            f"Port {port} leads to {found}, and not to {expected}. "
            "Put the cables back where they were, or correct the configuration (see: postern-driver ports)",
        )
        self.expected, self.found = expected, found


class PortForeignError(PortError):
    """The device there is known by its USB number, ``usb``, and does not speak what is configured, ``speaks``."""

    def __init__(self, port: str, *, usb: str, what: Pair, speaks: Collection[str]) -> None:
        self.usb, self.what, self.speaks = usb, what, ", ".join(sorted(speaks))
        super().__init__(
            port,
            f"Port {port} leads to USB {usb} ({what.en}), which does not speak {self.speaks}; nothing was sent. "
            "Put the cables back where they were, or correct the protocol (see: postern-driver ports)",
        )


class PortLostError(PortError):
    """The device was open and went away, or takes no more bytes."""

    def __init__(self, port: str, why: str) -> None:
        super().__init__(port, f"Port {port} was lost ({why}). Check the board's cable and power")
        self.why = why


class Port(Protocol):
    """What a bus needs of a port."""

    @property
    def path(self) -> str:
        """Path of the device, for messages."""

    def open(self) -> None:
        """Open it; raises a ``PortError``."""

    def fileno(self) -> int:
        """Descriptor that becomes readable when bytes come or the device goes."""

    def read(self) -> bytes:
        """What has arrived, perhaps nothing, without waiting; raises ``PortLostError``."""

    def write(self, data: bytes) -> None:
        """Hand all bytes to the device; raises ``PortLostError``."""

    def close(self) -> None:
        """Close it, whatever its state."""


class SerialPort:
    """One serial device: exclusive, 8 data bits, no flow control.

    Args:
        path: Device file or a link to it. Prefer ``/dev/serial/by-path/…``: a name that stays with the socket.
        line: Speed, parity and stop bits.
        expect: Which socket and adapter it must be; otherwise it is not opened.
        identify: Finds that out for a path.
        speaks: The protocols that will be spoken there; a device that is known to speak none of them is not opened,
            unless ``expect`` names its very number.
    """

    def __init__(
        self,
        path: str | Path,
        line: LineSettings,
        *,
        expect: PortIdentity | None = None,
        identify: Callable[[Path], PortIdentity] = identity_of,
        speaks: Collection[str] = (),
    ) -> None:
        self._path = str(path)
        self._line, self._expect, self._identify, self._speaks = line, expect, identify, speaks
        self._serial: serial.Serial | None = None

    @property
    def path(self) -> str:
        """Path as configured."""
        return self._path

    def open(self) -> None:
        """Open and set up the device.

        Raises:
            PortMissingError: There is no such device.
            PortDeniedError: This user may not open it.
            PortBusyError: Another program holds it.
            PortStrangerError: It is not the device that was expected.
            PortForeignError: It is known not to speak what will be spoken.
            PortError: It is something else than a serial device.
        """
        assert self._serial is None, f"port {self._path} is already open"
        try:
            device = Path(
                self._path
            ).resolve()  # what is looked at now is what is opened, wherever the link moves
            self._check_identity(device)
        except (OSError, RuntimeError, ValueError) as error:  # it went meanwhile, or its links go in circles
            raise self._open_error(error) from error
        virtual = device.parent == _PSEUDO_TERMINALS
        try:
            # Nothing is set later: a second set-up fails on some devices.
            self._serial = serial.Serial(
                str(device),
                baudrate=self._line.baud,
                parity=serial.PARITY_NONE if virtual else _PARITIES[self._line.parity],
                stopbits=serial.STOPBITS_ONE if virtual else self._line.stop_bits,
                timeout=0,
                write_timeout=WRITE_WITHIN_S,
                exclusive=True,
            )
        except (*_PYSERIAL_ERRORS, ValueError) as error:  # the latter: a speed that no device has
            raise self._open_error(error) from error
        try:
            self._check_identity(device)  # it may have gone and another come while it was opened
        except (PortError, OSError) as error:
            self._serial.close()
            self._serial = None
            raise error if isinstance(error, PortError) else self._open_error(error) from error

    def _check_identity(self, device: Path) -> None:
        if self._expect is None and not self._speaks:
            return
        if not device.exists():
            raise PortMissingError(self._path)
        found = self._identify(device)
        if self._expect is not None and not found.fits(self._expect):
            raise PortStrangerError(self._path, expected=self._expect, found=found)
        foreign = foreign_hint(found.usb, self._speaks)
        if foreign is not None and (self._expect is None or self._expect.usb != found.usb):
            raise PortForeignError(self._path, usb=found.usb, what=foreign.what, speaks=self._speaks)

    def fileno(self) -> int:
        """Descriptor of the open device."""
        assert self._serial is not None, f"port {self._path} is not open"
        number: int = self._serial.fileno()
        return number

    def read(self) -> bytes:
        """What has arrived, perhaps nothing."""
        assert self._serial is not None, f"port {self._path} is not open"
        try:
            data: bytes = self._serial.read(min(self._serial.in_waiting or 1, _READ_MAX))
        except _PYSERIAL_ERRORS as error:
            raise PortLostError(self._path, _words(error)) from error
        return data

    def write(self, data: bytes) -> None:
        """Hand all bytes to the device."""
        assert self._serial is not None, f"port {self._path} is not open"
        try:
            self._serial.write(data)
        except _PYSERIAL_ERRORS as error:
            raise PortLostError(self._path, _words(error)) from error

    def close(self) -> None:
        """Close the device; a second call does nothing."""
        port, self._serial = self._serial, None
        if port is None:
            return
        try:
            port.close()
        except _PYSERIAL_ERRORS as error:
            raise PortLostError(self._path, _words(error)) from error

    def _open_error(self, error: Exception) -> PortError:
        number = getattr(error, "errno", None)
        if number in _HELD:
            return PortBusyError(self._path, holder_of(self._path))
        if number in _DENIED:
            return PortDeniedError(self._path)
        if number in _GONE or not Path(self._path).exists():
            return PortMissingError(self._path)
        return PortError(
            self._path,
            f"{self._path} cannot be used as a serial port ({_words(error)}). "
            "List the ports: postern-driver ports",
        )


def _words(error: BaseException) -> str:
    """The operating system's words for an error, or the library's where it hides the number."""
    inner = error.__context__ or error
    number = inner.args[0] if isinstance(inner, termios.error) else getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else str(error)
