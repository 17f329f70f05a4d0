#!/bin/sh
# Install Debian packages that are missing: sh test/debian.sh PACKAGE...
#
# Silent where nothing is missing. Where something cannot be installed it says so and still exits with 0:
# the tests that need it are then skipped by name. Needs root, or sudo without a password.
# A daemon that comes with a package is not started, and on a system with systemd not enabled either.
set -u

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

candidate() {
    apt-cache policy "$1" 2>/dev/null | grep -q '^  Candidate: [^(]'
}

# Those of the arguments for which the function named first says no.
without() {
    property=$1
    shift
    for package; do
        "$property" "$package" || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@" </dev/null >>"$log" 2>&1
}

update() {
    echo "Updating the list of Debian packages"
    apt_get update || echo "apt-get update failed" >&2
}

# Nothing that is installed here starts by itself: tests start what they need, on ports of their own.
guard=/usr/sbin/policy-rc.d
forbid_starting() {
    [ -e "$guard" ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null && as_root chmod 755 "$guard" && guarded=yes
}

# Ends of the run, however it ends.
clean_up() {
    [ "$guarded" = no ] || as_root rm -f "$guard"
    rm -f "$log"
}

# A package's unit would start at the next boot.
forbid_enabling() {
    [ -d /run/systemd/system ] || return 0
    for package; do
        units=$(dpkg-query -L "$package" 2>/dev/null | sed -n 's,^.*/systemd/system/\([^/@]*\.service\)$,\1,p')
        # shellcheck disable=SC2086 # names without blanks, each a word of its own
        [ -z "$units" ] || as_root systemctl --quiet disable $units >>"$log" 2>&1
    done
}

missing=$(without installed "$@")
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system, so not installed (install them by hand): $missing" >&2
    exit 0
fi
if ! as_root true 2>/dev/null; then
    echo "Neither root nor sudo without a password, so not installed: $missing" >&2
    exit 0
fi

guarded=no
log=$(mktemp)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC2086 # $missing, $unknown: names without blanks, each a word of its own
{
    updated=no
    if [ -n "$(without candidate $missing)" ]; then
        update
        updated=yes
    fi
    unknown=$(without candidate $missing)
    [ -z "$unknown" ] || echo "Not known to this system's package sources: $unknown" >&2
    wanted=
    for package in $missing; do
        candidate "$package" && wanted="$wanted $package"
    done
    [ -n "$wanted" ] || exit 0

    forbid_starting
    echo "Installing Debian packages:$wanted"
    if ! apt_get install --no-install-recommends $wanted && [ $updated = no ]; then
        update # an old list names versions that are gone
        apt_get install --no-install-recommends $wanted
    fi
    for package in $(without installed $wanted); do # one that cannot be had shall not keep the others out
        apt_get install --no-install-recommends "$package"
    done
    forbid_enabling $wanted
    failed=$(without installed $wanted)
    if [ -n "$failed" ]; then
        tail -n 20 "$log" >&2
        echo "Could not be installed: $failed" >&2
    fi
}
