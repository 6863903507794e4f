"""Data cards and Croissant metadata of dataset files.

May import: data and what data may import.
"""
