SELECT {columns} FROM {table} WHERE txid >= {xmax}{mine} ORDER BY txid LIMIT {limit}
