"""The language the services speak: events, their envelope, their stored form. Knows nothing of storage or transport."""
