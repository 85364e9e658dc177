"""Notebooks become pages."""

from semshare.utils.extras import needs

needs("book", "IPython", "jupyter_book", "matplotlib", "myst_nb", "nbformat", "pandas", "papermill", "seaborn")
