"""Shape and type annotations are checked while the tests run (jaxtyping with beartype)."""

import sys

from jaxtyping import install_import_hook

CORE = ("multiset", "metrics", "attention", "loader", "method", "backbones")
CHECKED = [*(f"hsal_bench.{name}" for name in CORE), "hsal_bench.baselines"]
if not any(name in sys.modules for name in CHECKED):
    install_import_hook(CHECKED, "beartype.beartype")
