SELECT {columns} FROM {table} WHERE txid = ANY ('{{running}}'::bigint[]){mine} ORDER BY txid LIMIT {limit}
