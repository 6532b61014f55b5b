"""Pages and plots of the figures; the only folder that imports matplotlib and scikit-learn."""
