"""The leaderboard's page: sections, rows, charts and the HTML.

May import: the core and the other modules of the leaderboard.
"""
