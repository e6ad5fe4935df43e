-- polder: materialized = table
select * from b
