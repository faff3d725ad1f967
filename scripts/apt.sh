# Sourced by the install scripts: Debian packages, installed only when that needs no password.

apt_as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_install PACKAGE…: 0 when all are installed, 1 when this machine has no apt-get, no root, or apt-get failed.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true >/dev/null 2>&1 || return 1
    printf 'Installing Debian packages: %s\n' "$*" >&2
    apt_as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@"' apt "$@" </dev/null >/dev/null
}
