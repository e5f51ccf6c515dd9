"""What an audit found becomes rows here, and nowhere else; nothing is looked at."""
