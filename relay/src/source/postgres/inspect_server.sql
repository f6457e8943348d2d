SELECT pg_is_in_recovery()::text,
       current_setting('server_version_num'),
       (SELECT system_identifier::text FROM pg_control_system())
