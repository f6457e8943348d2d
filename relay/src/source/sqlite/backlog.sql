SELECT count(*), min(written)
FROM (SELECT {time} AS written FROM {table} WHERE {sequence} > ?1 ORDER BY {sequence} LIMIT ?2)
