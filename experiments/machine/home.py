"""Home folder and name of the user, without which libraries fail on import."""

from __future__ import annotations

import getpass
import os
import stat
import sys
import tempfile
from pathlib import Path

_CACHES = ("LIT_SENTIMENT_CACHE", "XDG_CACHE_HOME")


def give_home() -> None:
    """Give this process and those that it starts a home folder and a user's name if they lack them.

    A container may run under a number that no user has, and without `$HOME`. The folder is one of
    this number's own under the folder of temporary files.

    Raises:
        PermissionError: the folder belongs to somebody else.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    if os.path.expanduser("~") != "~":
        return
    folder = Path(tempfile.gettempdir()) / f"lit-sentiment-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(
            f"user {os.getuid()} has no home folder, and {folder} is somebody else's; set $HOME to "
            "a folder that you can write to"
        )
    os.environ["HOME"] = str(folder)
    if not any(os.environ.get(name) for name in _CACHES):
        print(
            f"note: user {os.getuid()} has no home folder; the cache goes to {folder}, unless "
            "$LIT_SENTIMENT_CACHE names another place",
            file=sys.stderr,
        )
