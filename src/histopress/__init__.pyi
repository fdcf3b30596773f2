from .core.errors import HistopressError as HistopressError
from .core.geometry import Box as Box
from .core.geometry import Lattice as Lattice
from .core.geometry import Size as Size
from .core.geometry import Spacing as Spacing
from .data.cohort import Cohort as Cohort
from .data.cohort import read_cohort as read_cohort
from .data.cohort_recipes import make_cohort as make_cohort
from .data.slide import Slide as Slide
from .data.slide import open_slide as open_slide
from .data.tissue import TissueMask as TissueMask
from .data.tissue import TissueRecipe as TissueRecipe
from .data.tissue import mask_slide as mask_slide
from .encoders.catalogue import load_encoder as load_encoder
from .encoders.encoder import Encoder as Encoder
from .encoders.encoder import EncoderCard as EncoderCard
from .grids.compress import CompressRecipe as CompressRecipe
from .grids.compress import compress as compress
from .grids.exchange import ExchangeRecipe as ExchangeRecipe
from .grids.exchange import exchange as exchange
from .grids.grid import FeatureGrid as FeatureGrid
from .grids.grid import Window as Window
from .grids.store import read_grid as read_grid
from .heads.predict import PredictRecipe as PredictRecipe
from .heads.predict import predict as predict
from .heads.train import TrainRecipe as TrainRecipe
from .heads.train import train as train
from .heads.train import train_several as train_several
from .metrics.evaluate import EvaluateRecipe as EvaluateRecipe
from .metrics.evaluate import evaluate as evaluate

__version__: str
__all__: list[str]
