"""Libraries that are not a folder here: behind transhash's server, or in Milvus."""
