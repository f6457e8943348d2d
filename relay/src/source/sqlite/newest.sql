SELECT {columns} FROM {table} ORDER BY {sequence} DESC LIMIT ?
