"""How pages write dates and numbers, where Django's own way is not ours (FORMAT_MODULE_PATH)."""
