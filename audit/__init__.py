"""What we keep and show: the Django app. How we look stands in `collectors`."""
