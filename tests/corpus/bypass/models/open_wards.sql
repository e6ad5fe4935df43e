-- polder: materialized = view
select id, ward from patients
