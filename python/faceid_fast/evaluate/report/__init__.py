"""Plots and the page of a report; the only folder that imports matplotlib, scikit-learn and jinja2."""
