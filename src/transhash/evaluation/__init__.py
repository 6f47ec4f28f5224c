"""How good codes are for retrieval: mAP, precision and recall from packed codes and labels."""

from transhash.evaluation.metrics import evaluate
from transhash.evaluation.scores import Scores

__all__ = ["Scores", "evaluate"]
