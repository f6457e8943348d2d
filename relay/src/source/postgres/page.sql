SELECT {columns} FROM {table}
 WHERE {sequence} >= {first} AND {sequence} <= {last} AND {condition}
 ORDER BY {sequence} LIMIT {limit}
