#!/bin/sh
# What the tests want beyond Python: two more brokers, a browser, a library of its driver, a Chinese font. Installed from Debian's
# packages when that needs no password. Without them the suite runs all the same and counts what it
# skipped; only under CI (CI=true) is a missing one an error, so that no skip goes unseen there.
set -eu
cd "$(dirname "$0")/.."
. scripts/apt.sh
PATH=$PATH:/usr/sbin:/sbin # where Debian puts mosquitto and nats-server

say() { printf '%s\n' "$*" >&2; }

missing() {
    command -v mosquitto >/dev/null 2>&1 || printf ' mosquitto'
    command -v nats-server >/dev/null 2>&1 || printf ' nats-server'
    command -v nft >/dev/null 2>&1 || printf ' nftables'
    command -v ip >/dev/null 2>&1 || printf ' iproute2'
    command -v strace >/dev/null 2>&1 || printf ' strace'
    command -v mkfs.ext4 >/dev/null 2>&1 || printf ' e2fsprogs'
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
    case $package in
    mosquitto | nats-server)
        # The tests start their own brokers on free loopback ports. Debian also starts them as services, which
        # we did not want and so switch off; one that was here before us is left as it is.
        [ -d /run/systemd/system ] || continue
        apt_as_root systemctl disable --now "$package.service" >&2 || true
        say "Debian's $package service was switched off; to have it: sudo systemctl enable --now $package"
        ;;
    esac
done

wanted=$(missing)
[ -n "$wanted" ] || exit 0
for package in $wanted; do
    case $package in
    mosquitto) say "No mosquitto here: tests against Eclipse Mosquitto will be skipped (the embedded broker is tested)." ;;
    nats-server) say "No nats-server here: tests against a cluster of brokers will be skipped." ;;
    nftables | iproute2) say "No $package here: tests of gates on bad lines will be skipped." ;;
    strace | e2fsprogs) say "No $package here: tests of crashes and power cuts will be skipped." ;;
    chromium) say "No chromium here: tests of pages in a browser will be skipped." ;;
    libzbar0) say "No libzbar0 here: tests of the reader's second opinion will be skipped." ;;
    libatomic1) say "No libatomic1 here: the browser's driver will not start, and tests of pages will fail." ;;
    fonts-noto-cjk) say "No fonts-noto-cjk here: Chinese text in screenshots may show as boxes." ;;
    esac
done
say "To have them, type:  sudo apt-get install$wanted"
[ "${CI:-}" != true ] || exit 1
