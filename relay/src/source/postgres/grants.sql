GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {schema}.{table} TO {role};
-- Forces the log to disk when a row was committed with synchronous_commit = off.
GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO {role};
-- Tells whether events were lost at the source in a failover; everybody has it unless it was revoked.
GRANT EXECUTE ON FUNCTION pg_control_system() TO {role};
-- Optional: with this the relay goes on after a clean failover without sending retained events again.
-- GRANT EXECUTE ON FUNCTION pg_read_file(text, bigint, bigint, boolean) TO {role};
-- GRANT pg_read_server_files TO {role};
