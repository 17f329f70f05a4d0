"""mod_sip_control.c: where the server is controlled."""

from pathlib import Path

from sipproxy.config import Directive, Module, path

CONTROL_SOCKET: Directive[Path] = Directive(
    "ControlSocket",
    path(),
    Path("run/control.sock"),
    "The Unix socket that sipproxyctl talks to; only the user that the server runs as, and root, may use it.",
)

MODULE = Module("mod_sip_control.c", (CONTROL_SOCKET,))
