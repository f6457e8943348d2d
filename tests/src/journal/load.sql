INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers)
SELECT 'order',
       'order-' || number % 10000,
       'OrderPlaced',
       json_build_object(
           'order', 'order-' || number % 10000,
           'number', number,
           'customer', json_build_object('name', 'Customer ' || number % 5000, 'city', 'Springfield'),
           'items', json_build_array(
               json_build_object('sku', 'SKU-' || number % 777, 'quantity', 1 + number % 5),
               json_build_object('sku', 'SKU-' || number % 555, 'quantity', 1 + number % 3)),
           'note', md5(number::text) || md5((number + 1)::text) || md5((number + 2)::text)
       )::text,
       jsonb_build_object(
           'traceparent', '00-' || md5(number::text) || '-' || left(md5(number::text), 16) || '-01',
           'tenant', 'tenant-' || number % 20,
           'origin', 'bench')
  FROM generate_series($1::bigint, $2::bigint) AS number
