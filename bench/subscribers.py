"""The subscribers of register-auth: a file for C{sipproxyctl}, as an operator has it, and a store in memory."""

import os
import subprocess
import sys
from pathlib import Path

from bench.works import DOMAIN, PASSWORD
from sipproxy.databases.passwords import HASHED, password_fields
from sipproxy.databases.subscribers import Subscriber
from sipproxy.databases.subscribers_memory import MemoryStore

_CONTROL = "from sipproxy.cli.main import main; main()"


def import_subscribers(configuration: Path, count: int) -> None:
    """Let C{sipproxyctl} add u0, u1, ..., all with one password.

    @param configuration: the server's; the file that is imported is written beside it
    @raise subprocess.CalledProcessError: it could not
    """
    file = configuration.with_name("subscribers.csv")
    file.write_text("key,password\n" + "".join(f"u{number},{PASSWORD}\n" for number in range(count)), encoding="ascii")
    command = [sys.executable, "-c", _CONTROL, "-c", str(configuration), "subscribers", "import", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    subprocess.run(command, check=True, capture_output=True, env=environment)


def memory_store(count: int) -> MemoryStore:
    """Give a store with the same subscribers, who have hashes as C{sipproxyctl} writes them."""
    keys = [f"u{number}" for number in range(count)]
    return MemoryStore(
        Subscriber(key, **password_fields(key, PASSWORD, DOMAIN, HASHED))  # type: ignore[arg-type]
        for key in keys
    )
