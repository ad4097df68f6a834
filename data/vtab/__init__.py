"""One module per data set of VTAB."""
