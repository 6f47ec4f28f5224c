"""What a library takes in and gives out: Parquet, and tables of a user's own columns."""
