"""Commands over several parts of the package.

predict.py (with prediction_rows.py, prediction_tasks.py), card.py, demo.py
"""
