-- parameters: $1 = 'public'
select table_schema, table_name from information_schema.tables where table_schema = $1 order by 1,2
