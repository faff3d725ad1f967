#!/bin/sh
# What the tests want beyond Python: a second broker, a browser, a library of its driver, a Chinese font. Installed from Debian's
# packages when that needs no password. Without them the suite runs all the same and counts what it
# skipped; only under CI (CI=true) is a missing one an error, so that no skip goes unseen there.
set -eu
cd "$(dirname "$0")/.."
. scripts/apt.sh
PATH=$PATH:/usr/sbin:/sbin # where Debian puts mosquitto

say() { printf '%s\n' "$*" >&2; }

missing() {
    command -v mosquitto >/dev/null 2>&1 || printf ' mosquitto'
    command -v chromium >/dev/null 2>&1 || printf ' chromium'
    ls /usr/lib/*/libzbar.so.0 >/dev/null 2>&1 || printf ' libzbar0'
    ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || printf ' libatomic1'
    [ -d /usr/share/fonts/opentype/noto ] && ls /usr/share/fonts/opentype/noto | grep -q CJK || printf ' fonts-noto-cjk'
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0
for package in $wanted; do
    # One by one: Ubuntu has no chromium package, and that must not cost the others.
    apt_install "$package" || continue
    if [ "$package" = mosquitto ] && [ -d /run/systemd/system ]; then
        # The tests start their own broker on a free loopback port. Debian also starts one as a service, which
        # we did not want and so switch off; a mosquitto that was here before us is left as it is.
        apt_as_root systemctl disable --now mosquitto.service >&2 || true
        say "Debian's mosquitto service was switched off; to have it: sudo systemctl enable --now mosquitto"
    fi
done

wanted=$(missing)
[ -n "$wanted" ] || exit 0
for package in $wanted; do
    case $package in
    mosquitto) say "No mosquitto here: tests against Eclipse Mosquitto will be skipped (the embedded broker is tested)." ;;
    chromium) say "No chromium here: tests of pages in a browser will be skipped." ;;
    libzbar0) say "No libzbar0 here: tests of the reader's second opinion will be skipped." ;;
    libatomic1) say "No libatomic1 here: the browser's driver will not start, and tests of pages will fail." ;;
    fonts-noto-cjk) say "No fonts-noto-cjk here: Chinese text in screenshots may show as boxes." ;;
    esac
done
say "To have them, type:  sudo apt-get install$wanted"
[ "${CI:-}" != true ] || exit 1
