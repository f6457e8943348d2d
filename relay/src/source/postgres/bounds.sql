SELECT min({sequence} + 0), max({sequence} + 0) FROM {table} WHERE {condition}
