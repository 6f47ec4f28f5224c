"""Files of a library: walking folders, indexing and adding pictures, watching, verifying, thumbnails."""
