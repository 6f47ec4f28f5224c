"""The catalogue of a library: a SQLite database of pictures, their codes and their columns, and filters over them."""
