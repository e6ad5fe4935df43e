-- polder: materialized = table
select * from 'file:///etc/passwd'
