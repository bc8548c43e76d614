"""`edgekit wheel`: Python packages for a board, built, checked and locked."""

from __future__ import annotations

from edgekit.cli.verbs import Verbs
from edgekit.cli.wheel_build import build
from edgekit.cli.wheel_check import check
from edgekit.cli.wheel_list import list_
from edgekit.cli.wheel_lock import lock

app = Verbs("Build, check and lock Python packages for boards.")

for _verb in (build, check, lock):
    app.command()(_verb)
app.command("list")(list_)
