-- polder: materialized = view
select
    id, ward, name, born,
    case when char_length(ssn) >= 8 then concat('***', right(ssn, 4)) when ssn is not null then '***' end as ssn,
    salary, code,
    encode(sha256(email), 'hex') as email,
    '***' as phone,
    date_trunc('year', seen) as seen,
    nullif(bonus, bonus) as bonus,
    weight
from patients_all
where ward = 'A'
