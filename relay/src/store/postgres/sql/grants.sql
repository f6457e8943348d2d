GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {schema}.schema_version TO {role};
GRANT SELECT, INSERT, UPDATE ON {schema}.lane, {schema}.request TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.held, {schema}.member TO {role};
