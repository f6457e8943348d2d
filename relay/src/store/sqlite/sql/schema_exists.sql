SELECT count(*) AS tables FROM sqlite_schema WHERE type = 'table' AND name = 'relay_schema_version'
