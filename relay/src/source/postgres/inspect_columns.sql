SELECT a.attname::text,
       format_type(a.atttypid, NULL),
       a.attnotnull::text,
       pg_get_expr(d.adbin, d.adrelid)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE n.nspname = {schema} AND c.relname = {table}
