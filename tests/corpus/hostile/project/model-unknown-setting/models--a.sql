-- polder: materialised = table
select 1 as one
