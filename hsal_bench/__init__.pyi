from hsal_bench.api.datasets import Dataset as Dataset
from hsal_bench.api.datasets import collate as collate
from hsal_bench.api.datasets import load as load
from hsal_bench.api.results import compare as compare
from hsal_bench.api.results import figures as figures
from hsal_bench.api.results import records as records
from hsal_bench.api.results import run as run
from hsal_bench.api.results import table as table
from hsal_bench.api.scoring import Evaluator as Evaluator
from hsal_bench.api.scoring import score as score
from hsal_bench.runs.callbacks import Callback as Callback
from hsal_bench.runs.callbacks import TensorBoard as TensorBoard
from hsal_bench.runs.callbacks import WandB as WandB

__version__: str
