SELECT {columns}, {key_hash}, txid, count(*) OVER () FROM {table} WHERE {condition} ORDER BY {sequence} LIMIT 1
