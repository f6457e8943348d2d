SELECT version::bigint AS version FROM schema_version
