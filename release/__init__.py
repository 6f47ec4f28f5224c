"""What makes a release: the wheel and the source, built so that anybody gets the same bytes, and what is in them."""
