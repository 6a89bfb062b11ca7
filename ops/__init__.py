"""Commands for those who build and run Segue: ``python -m ops COMMAND``. Never shipped."""
