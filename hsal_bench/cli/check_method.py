"""`hsal-bench check-method`: check that a method keeps the contract."""

from __future__ import annotations

import click

from hsal_bench.cli.common import print_checks
from hsal_bench.errors import UsageError
from hsal_bench.options import assignments


@click.command("check-method")
@click.argument("method", metavar="NAME|FILE.py:CLASS[+KEY=VALUE...]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a field of the method's config, which starts from the preset quick.",
)
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def check_method_command(
    method: str, settings: tuple[str, ...], device: str, as_json: bool
) -> None:
    """Check that a method keeps the contract.

    Trains the method on a tiny generated task, which takes seconds to a minute on a CPU. Checks its
    class, updates, predictions, learning, random numbers, saved states and the effect of the order
    of labels. If a check fails, those that depend on it are skipped. Exit code 1: a check failed;
    2: no such method or setting.
    """
    from hsal_bench.method.load import is_file, load_method
    from hsal_bench.runs import request as requests

    source, own = requests.split(method)
    if "," in source and not is_file(source):
        raise UsageError(f"check-method {source}: name one method at a time")
    config = own | assignments(settings)
    cls = load_method(source)
    # Here, because they import torch, which takes seconds.
    from hsal_bench.conformance import check as conformance
    from hsal_bench.training import device as devices

    checks = conformance.check_method(cls, config, devices.resolve(device))
    print_checks("method", method, checks, as_json=as_json)
