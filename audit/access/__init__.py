"""Who may ask, and how often: shared by all faces, which never import each other."""
