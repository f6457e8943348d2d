SELECT {columns} FROM {table} WHERE {sequence} > ? ORDER BY {sequence} LIMIT ?
