"""How the monitor sees clusters: a client that speaks the API's HTTP, and reflectors that keep its objects current."""
