SELECT {columns} FROM {table}
 WHERE {sequence} >= {first} AND {sequence} <= {last} AND {condition}{mine}
 ORDER BY {sequence} LIMIT {limit}
