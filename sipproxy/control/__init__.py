"""The control socket: HTTP and JSON on a Unix socket, for C{sipproxyctl} and for programs.

A resource is one file: a function that gives a L{Resource} whose operations
say what they take and give. Checks, refusals and the OpenAPI document follow
from that (docs/control.md). What the operations do is in the rooms that they
ask; there is no second implementation of anything here.
"""

from sipproxy.control.api import Api, Reply
from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.service import ControlService
from sipproxy.control.settings import CONTROL_SOCKET, MODULE

__all__ = [
    "CONTROL_SOCKET",
    "MODULE",
    "Api",
    "Arguments",
    "ControlError",
    "ControlService",
    "Field",
    "Json",
    "Operation",
    "Reply",
    "Resource",
]
