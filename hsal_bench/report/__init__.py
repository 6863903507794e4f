"""Tables of records: as text, Markdown, LaTeX and in a terminal.

May import: compare and the rooms below it.
"""
