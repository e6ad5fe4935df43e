-- polder: materialized = table
copy (select * from typed) to '/tmp/leak.csv'
