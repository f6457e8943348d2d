SELECT {columns}, count(*) OVER () FROM {table} WHERE {condition} ORDER BY {sequence} LIMIT 1
