"""Shape and type annotations are checked while the tests run (jaxtyping with beartype)."""

import sys

from jaxtyping import install_import_hook

CHECKED = ("multiset", "metrics", "attention")
if not any(f"hsal_bench.{name}" in sys.modules for name in CHECKED):
    install_import_hook([f"hsal_bench.{name}" for name in CHECKED], "beartype.beartype")
