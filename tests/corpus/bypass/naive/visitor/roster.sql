-- polder: materialized = view
select id, code, salary as pay
from patients_all
where ward = 'A'
