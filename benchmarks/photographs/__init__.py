"""How well codes find photographs of many kinds, beside small networks that people would otherwise take."""
