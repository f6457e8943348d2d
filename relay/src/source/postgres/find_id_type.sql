SELECT format_type(a.atttypid, NULL)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = {column}
 WHERE n.nspname = {schema} AND c.relname = {table}
