#!/bin/sh
# Make .venv and install one locked set into it: scripts/install.sh SET, where SET names requirements/SET.txt.
# The set "interop" is somebody else's reader of our passes: it goes into .venv-interop, without our own package.
# Every file that pip takes is checked against the hashes in the lock. Called by the Makefile, which keeps
# a stamp so that the second time costs nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/apt.sh

case $1 in
interop) venv=.venv-interop size=15 ;;
*) venv=.venv size=290 ;;
esac
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$name" -c "$new_enough" >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    say "Postern needs Python 3.11 or later; looked for: ${PYTHON:-python3, python3.11 … python3.14}."
    say "On Debian 12 or Ubuntu 24.04 and later type:  sudo apt-get install python3 python3-venv"
    say "If it is installed under another name:        make run PYTHON=/path/to/python3"
    return 1
}

make_venv() {
    if "$venv/bin/python" -c "$new_enough" >/dev/null 2>&1 && "$venv/bin/python" -m pip --version >/dev/null 2>&1
    then return; fi
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "Making $venv with Python $version ($python)"
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        # Debian and Ubuntu keep the half of venv that brings pip in a package of its own.
        if ! apt_install "python$version-venv" ca-certificates; then
            say "This Python cannot make a virtual environment, and installing what it lacks needs root. Type:"
            say "    sudo apt-get install python$version-venv"
            say "and then the same make command again."
            return 1
        fi
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

pip_install() { "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --quiet --retries 5 "$@"; }

# Wheels only: nothing is compiled here, and no build step can fetch what the lock does not name.
locked_install() { pip_install --require-hashes --only-binary :all: -r requirements/build.txt -r "requirements/$1.txt"; }

own_install() { pip_install --no-deps --no-build-isolation --no-index --editable .; }

install_set() {
    say "Installing the packages of requirements/$1.txt (the first time this downloads up to $size MB)"
    if ! { locked_install "$1" && { [ "$1" = interop ] || own_install; }; }
    then
        say "pip could not install requirements/$1.txt; its message is above."
        say "If the network failed, the same make command goes on where it stopped."
        return 1
    fi
}

make_venv
install_set "$1"
