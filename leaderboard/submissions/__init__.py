"""Submissions: reading, checking and scoring them.

May import: the core and the other modules of the leaderboard.
"""
