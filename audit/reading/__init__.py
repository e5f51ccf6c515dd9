"""What is kept, as plain data for the API and the pages; nothing is written."""
