"""The event log and what lives beside it in Postgres. SQL stands in `sql/`, the schema's steps in `migrations/`."""
