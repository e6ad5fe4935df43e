SELECT pg_catalog.pg_get_viewdef(':routes'::pg_catalog.oid, true)
