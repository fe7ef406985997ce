"""How it looks: contents, brand, house and language become an edition; edition and slots become the bytes of a mail."""
