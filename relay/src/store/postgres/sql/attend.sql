-- How many others there are, and that this one is there until then. Who left long ago is forgotten.
WITH gone AS (
    DELETE FROM member
    WHERE pipeline = $1 AND sink = $2 AND until < statement_timestamp() - interval '1 hour' AND process <> $3
), here AS (
    INSERT INTO member (pipeline, sink, process, until)
    VALUES ($1, $2, $3, statement_timestamp() + $4 * interval '1 microsecond')
    ON CONFLICT (pipeline, sink, process) DO UPDATE SET until = excluded.until
)
SELECT count(*) AS others
FROM member
WHERE pipeline = $1 AND sink = $2 AND process <> $3 AND until > statement_timestamp()
