SELECT c.relkind::text,
       c.relpersistence::text,
       (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))::text,
       row_security_active(c.oid)::text,
       current_user::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = {schema} AND c.relname = {table}
