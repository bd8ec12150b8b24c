"""How messages travel. One seam (`Bus`), two roads: `amqp` (RabbitMQ) and `local` (in process)."""
