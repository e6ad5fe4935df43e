-- polder: materialized = view
select id, ward
from patients_all
where ward <> 'C' or ward is null
