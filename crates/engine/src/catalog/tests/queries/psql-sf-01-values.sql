SELECT 'routes'::pg_catalog.regclass::pg_catalog.oid
