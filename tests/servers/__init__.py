"""The Postgres and the RabbitMQ the tests talk to: what runs already, or private ones that go when the tests go."""
