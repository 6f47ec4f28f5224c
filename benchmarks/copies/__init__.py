"""How well duplicates are told: what the confirmation says of pairs, and what a library finds."""
