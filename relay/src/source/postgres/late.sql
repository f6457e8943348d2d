SELECT {columns} FROM {table} WHERE txid = ANY ('{{running}}'::bigint[]) ORDER BY txid LIMIT {limit}
