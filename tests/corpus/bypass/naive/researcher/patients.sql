-- polder: materialized = view
select id, '***' as name, nullif(salary, salary) as salary, code, date_trunc('year', seen) as seen, weight
from patients_all
where consent
