#!/bin/sh
# Install the Debian package into a clean root, start the service there, make calls, and remove it again:
#
#     sh test/deb_test.sh FILE.deb
#
# As root, with debootstrap, unshare (util-linux) and ip (iproute2). The root is made of this machine's own package
# sources, which takes a minute and the network; it is kept for the next time, in $SIPPROXY_CACHE, by default
# ~/.cache/sipproxy. All that is tested happens without a network, in a network namespace of its own.
set -eu

package=$(readlink -f "$1")
cache=${SIPPROXY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sipproxy}
# What is put in beside it: the telephones, and what the package recommends.
peers="logrotate sip-tester"

work=$(mktemp -d)
root=$work/root
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The machine's own Debian: URI, suite and component of each source.
sources() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}

in_root() {
    chroot "$1" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -eu
}

# The root without the package, but with all that it will ask for already fetched.
make_base() {
    echo "Making a clean root, kept as $1"
    . /etc/os-release
    # shellcheck disable=SC2154 # os-release has it
    mirror=$(sources | sed -n "s/ $VERSION_CODENAME main\$//p" | head -n 1)
    debootstrap --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$root" "$mirror" >"$work/log" 2>&1 ||
        { tail "$work/log" >&2; exit 1; }
    sources | sed 's/^/deb /' >"$root/etc/apt/sources.list"
    cp /etc/resolv.conf "$root/etc/"
    cp "$package" "$root/package.deb"
    # policy-rc.d: nothing of the peers is started.
    in_root "$root" >"$work/log" 2>&1 <<END || { tail "$work/log" >&2; exit 1; }
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update
apt-get install --yes --no-install-recommends $peers
apt-get clean
apt-get install --yes --no-install-recommends --download-only /package.deb
rm -f /usr/sbin/policy-rc.d /package.deb
END
    mkdir -p "$cache"
    tar --create --file "$1.part" --directory "$root" .
    mv "$1.part" "$1"
}

# Another base where the package asks for other things, or the machine has other sources.
key=$({ dpkg-deb --field "$package" Depends Pre-Depends; sources; echo "$peers"; } | sha256sum | cut -c 1-16)
base=$cache/base-$key.tar
if [ -e "$base" ]; then
    mkdir "$root"
    tar --extract --file "$base" --directory "$root"
else
    make_base "$base"
fi
cp "$package" "$root/package.deb"

cat >"$root/test.sh" <<'END'
set -eu
fail() {
    echo "FAILED: $*" >&2
    tail -n 20 /var/log/sipproxy/error_log /tmp/log >&2 || :
    exit 1
}
done_with() { echo "ok: $*"; }
# Wait until it answers.
await() {
    for _ in $(seq 100); do
        sipproxyctl status --json >/tmp/status 2>/tmp/log && return
        sleep 0.1
    done
    fail "it does not answer"
}
# A call through the server, from one SIPp to another.
call() {
    sipp -sn uas -i 127.0.0.1 -mi 127.0.0.1 -p 5070 -m 1 -nostdin -timeout 20s >/tmp/uas 2>&1 &
    called=$!
    sipp -sn uac 127.0.0.1:5060 -s service -i 127.0.0.1 -mi 127.0.0.1 -p 5080 -m 1 -d 100 -nostdin -timeout 20s \
        -timeout_error >/tmp/uac 2>&1 || { cat /tmp/uac; fail "the call"; }
    wait $called || { cat /tmp/uas; fail "the called telephone"; }
}
logged() { grep -c '"INVITE sip:service@.* SIP/2.0" 200 ' "$1"; }

mount -t proc proc /proc

apt-get install --yes --no-install-recommends /package.deb >/tmp/log 2>&1 || { cat /tmp/log; fail "the installation"; }
done_with "installed without a network"

# Without an init system, as here, an installation starts nothing; who runs `service` does.
service sipproxy start >/tmp/log 2>&1 || fail "the start"
await
grep -q '"healthy": *true' /tmp/status || fail "it is not well: $(cat /tmp/status)"
service sipproxy status >/dev/null || fail "service does not know that it runs"
[ "$(stat -c %U /proc/"$(cat /run/sipproxy/sipd.pid)")" = sipproxy ] || fail "it runs as somebody else"
[ "$(stat -c %a:%U /run/sipproxy/control.sock)" = 600:sipproxy ] || fail "the control socket is open to others"
done_with "started, as the user sipproxy"

sipproxyctl registrations add service@example.org sip:service@127.0.0.1:5070 >/tmp/log 2>&1 || fail "a registration"
call
sleep 0.5
[ "$(logged /var/log/sipproxy/access_log)" = 1 ] || fail "the call is not in the access log"
done_with "a call"

logrotate -f /etc/logrotate.d/sipproxy
sleep 0.5
call
sleep 0.5
[ "$(logged /var/log/sipproxy/access_log)" = 1 ] || fail "the second call is not in the new access log"
[ "$(logged /var/log/sipproxy/access_log.1)" = 1 ] || fail "the first call is not in the old access log"
done_with "logs rotated"

service sipproxy reload >/tmp/log 2>&1 || fail "a reload"
echo "Lisen 5060" >>/etc/sipproxy/sipd.conf
if service sipproxy reload >/tmp/log 2>&1; then fail "a wrong configuration was taken"; fi
grep -q 'sipd.conf:.*did you mean Listen' /tmp/log || fail "the mistake is not told"
sed -i '$d' /etc/sipproxy/sipd.conf
call
done_with "reloaded; a wrong configuration refused"

service sipproxy restart >/tmp/log 2>&1 || fail "a restart"
await
call
done_with "restarted, with its registrations"

pid=$(cat /run/sipproxy/sipd.pid)
service sipproxy stop >/tmp/log 2>&1 || fail "the stop"
[ ! -e "/proc/$pid" ] || fail "it runs on"
done_with "stopped"

apt-get purge --yes sipproxy >/tmp/log 2>&1 || { cat /tmp/log; fail "the removal"; }
for path in /etc/sipproxy /usr/lib/sipproxy /var/lib/sipproxy /var/log/sipproxy /run/sipproxy /usr/bin/sipproxyctl; do
    [ ! -e $path ] || fail "$path is left: $(find $path | head)"
done
done_with "removed, and nothing left"
END

unshare --mount --net --pid --fork --kill-child sh -eu -c '
    ip link set lo up
    exec chroot "$0" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
        sh /test.sh
' "$root"
