SELECT {sequence}, {id} FROM {table} WHERE {sequence} = ANY ('{{sequences}}'::bigint[])
