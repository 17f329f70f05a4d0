#!/bin/sh
# The configuration of the package from that of the project, on standard input: other folders, and a user of its own.
sed \
    -e '1c\# The configuration of the SIP proxy server. See sipd.conf(5) for every directive; sipproxyctl check checks it.' \
    -e 's,^# Relative paths start here.*,# Relative paths start here: data/ is made below it.,' \
    -e 's,^ServerRoot .*,ServerRoot /var/lib/sipproxy,' \
    -e 's,logs/,/var/log/sipproxy/,'
cat <<'END'

# Who serves; it owns the folders.
User       sipproxy
Group      sipproxy
PidFile    /run/sipproxy/sipd.pid
LockFile   /run/sipproxy/accept.lock

<IfModule mod_sip_control.c>
    ControlSocket /run/sipproxy/control.sock
</IfModule>
END
