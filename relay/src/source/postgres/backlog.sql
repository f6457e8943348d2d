SELECT count(*), min(written)
  FROM ((SELECT {time} AS written FROM {table} WHERE txid >= {xmax}{rest}{mine} ORDER BY txid LIMIT {limit})
        UNION ALL
        (SELECT {time} FROM {table} WHERE txid = ANY ('{{running}}'::bigint[]){rest}{mine} ORDER BY txid LIMIT {limit})
       ) AS waiting
