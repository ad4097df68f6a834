"""Charts as Vega-Lite values: what the page draws and `make figures` writes are the same specifications.

Each module has pairs of pure functions: one returns a specification whose data is called "rows", the other the rows of
a table. Labels and other text of records are data in them, never part of an expression.
"""
