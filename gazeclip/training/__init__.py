"""Training: one loop for every model, `fit`; what is trained is a `Task`."""

from gazeclip.training.ema import Ema
from gazeclip.training.loop import fit
from gazeclip.training.schedule import learning_rate_factor, split_decay
from gazeclip.training.task import FaceTask, Task

__all__ = ["Ema", "FaceTask", "Task", "fit", "learning_rate_factor", "split_decay"]
