"""`python -m transhash` is `transhash`."""

from transhash.cli import main

main()
