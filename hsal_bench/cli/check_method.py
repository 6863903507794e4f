"""`hsal-bench check-method`: does a method keep the contract?"""

from __future__ import annotations

import click

from hsal_bench.cli.outcomes import tell
from hsal_bench.errors import UsageError
from hsal_bench.options import assignments


@click.command("check-method")
@click.argument("method", metavar="NAME|FILE.py:CLASS[+KEY=VALUE...]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field of the method's config, over those of the preset quick.",
)
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def check_method(method: str, settings: tuple[str, ...], device: str, as_json: bool) -> None:
    """Try on a tiny task whether a method keeps the contract.

    The task is drawn in memory: a minute on a CPU, often seconds. What is looked at: the class, its
    updates and predictions, learning, the order of labels, random numbers, states. A check that
    rests on one which did not pass is skipped. Exit code 1: a check failed; 2: there is no such
    method, or setting.
    """
    from hsal_bench.method.load import is_file, load_method
    from hsal_bench.runs import request as requests

    source, own = requests.split(method)
    if "," in source and not is_file(source):
        raise UsageError(f"check-method {source}: it tries one method at a time; name one")
    given = own | assignments(settings)
    cls = load_method(source)
    # Only now: they import torch, which takes seconds.
    from hsal_bench.conformance import check as conformance
    from hsal_bench.training import device as devices

    checks = conformance.check_method(cls, given, devices.resolve(device))
    tell("method", method, checks, as_json=as_json)
