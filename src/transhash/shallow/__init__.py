"""Methods without a network: hash functions learned from features, one file a method.

    function = METHODS["ksh"](features, labels, 64, seed=0)  # features: float32 (N, F)
    codes = pack(function.values(features))

lsh, itq and sh take no notice of labels, which may be None; ksh and bre learn from classes (N,) or multi-hot (N, C).
"""

from transhash.shallow.bre import bre
from transhash.shallow.functions import HashFunction, Linear, Method
from transhash.shallow.itq import itq, itq_function
from transhash.shallow.ksh import ksh
from transhash.shallow.lsh import lsh
from transhash.shallow.sh import sh

METHODS: dict[str, Method] = {"lsh": lsh, "itq": itq_function, "sh": sh, "ksh": ksh, "bre": bre}

__all__ = ["METHODS", "HashFunction", "Linear", "bre", "itq", "itq_function", "ksh", "lsh", "sh"]
