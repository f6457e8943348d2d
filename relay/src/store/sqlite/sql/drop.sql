DELETE FROM relay_held
