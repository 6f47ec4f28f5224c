"""How fast this machine trains and encodes, as a share of what its device could do (`transhash bench`)."""
