-- polder: materialized = view
select
    id, ward,
    case when char_length(name) >= 8 then concat(left(name, 4), '***') when name is not null then '***' end as name,
    date_trunc('year', born) as born
from patients_all
where diagnosis is null or diagnosis not like 'zugspitze vip%'
