-- parameters: $1 = 'public', $2 = 'flights'
select column_name, data_type, is_nullable, column_default from information_schema.columns where table_schema = $1 and table_name = $2 order by ordinal_position
