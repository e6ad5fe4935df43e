-- polder: materialized = table
select * from a
