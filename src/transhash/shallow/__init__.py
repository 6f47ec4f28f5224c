"""Methods without a network: hash functions learned from features, one file a method.

    function = METHODS["ksh"](features, labels, 64, seed=0)  # features: float32 (N, F)
    codes = pack(function.values(features))

lsh, itq, itq-smoothed, sh and learned take no notice of labels, which may be None; ksh and bre learn from classes (N,)
or multi-hot (N, C).
"""

from transhash.shallow.bre import bre
from transhash.shallow.functions import HashFunction, Linear, Method
from transhash.shallow.itq import itq, itq_function
from transhash.shallow.ksh import ksh
from transhash.shallow.learned import learned_function
from transhash.shallow.lsh import lsh
from transhash.shallow.nearness import nearness
from transhash.shallow.sh import sh
from transhash.shallow.smoothed import smoothed_function, smoothed_itq

METHODS: dict[str, Method] = {
    "lsh": lsh,
    "itq": itq_function,
    "itq-smoothed": smoothed_function,
    "sh": sh,
    "learned": learned_function,
    "ksh": ksh,
    "bre": bre,
}
UNSUPERVISED = ("lsh", "itq", "itq-smoothed", "sh", "learned")

__all__ = [
    "METHODS",
    "UNSUPERVISED",
    "HashFunction",
    "Linear",
    "bre",
    "itq",
    "itq_function",
    "ksh",
    "learned_function",
    "lsh",
    "nearness",
    "sh",
    "smoothed_function",
    "smoothed_itq",
]
