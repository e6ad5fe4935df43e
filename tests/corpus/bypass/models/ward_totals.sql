-- polder: materialized = view
select ward, count(*) as patients, sum(weight) as weight from patients group by ward
