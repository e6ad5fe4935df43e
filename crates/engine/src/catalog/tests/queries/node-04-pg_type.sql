-- parameters: $1 = 'text'
SELECT typname, oid, typarray FROM pg_type WHERE typname = $1 ORDER BY oid
