"""What comes from outside is read here, and nowhere else: files, archives, documents and repositories that strangers made."""
