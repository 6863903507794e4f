"""Does the fake GPU notice what it is there for? `python check_fake.py`

Exits with 0 if it notices each of a few known mistakes, with 1 if one goes unnoticed, and with 77
if it does not work with this version of torch, whose private parts it patches, and was written for
another.
"""

from __future__ import annotations

import sys

import torch

UNSUPPORTED = 77
WRITTEN_FOR = "2.15."


def train() -> None:
    """Make an update of a small network: nothing is wrong with it."""
    network = torch.nn.Linear(3, 2).to("cuda")
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.rand(4, 3, device="cuda")).sum().backward()
    optimizer.step()


def capture(step) -> None:
    """Capture `step` on the first GPU."""
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        step()


MISTAKES = {
    "tensors of two devices": lambda: torch.ones(3, device="cuda") + torch.ones(3),
    "a generator of the host": lambda: torch.rand(
        3, device="cuda", generator=torch.Generator("cpu")
    ),
    "a generator's state of another kind of device": lambda: torch.Generator("cuda").set_state(
        torch.Generator("cpu").get_state()
    ),
    "a copy to the device in a capture": lambda: capture(
        lambda: torch.ones(3).to("cuda"),
    ),
    "a value read in a capture": lambda: capture(lambda: torch.ones(3, device="cuda").sum().item()),
    "another GPU in a capture": lambda: capture(lambda: torch.ones(3, device="cuda:1") + 1),
    "an unknown generator in a capture": lambda: capture(
        lambda: torch.rand(3, device="cuda", generator=torch.Generator("cuda"))
    ),
}


def main() -> int:
    """Return the exit code."""
    try:
        from fake_cuda import fake_cuda

        with fake_cuda():
            train()
    except Exception as error:
        print(f"torch {torch.__version__}: {type(error).__name__}: {error}")
        return 1 if torch.__version__.startswith(WRITTEN_FOR) else UNSUPPORTED
    unnoticed = []
    for name, mistake in MISTAKES.items():
        with fake_cuda(gpus=2):
            try:
                mistake()
                unnoticed.append(name)
            except (RuntimeError, TypeError):
                continue
    print("not noticed: " + ", ".join(unnoticed) if unnoticed else "all noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
