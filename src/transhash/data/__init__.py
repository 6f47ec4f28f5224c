"""Data sets of labelled images, retrieval protocols and augmentation."""
