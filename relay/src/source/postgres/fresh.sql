SELECT {columns} FROM {table} WHERE txid >= {xmax} ORDER BY txid LIMIT {limit}
