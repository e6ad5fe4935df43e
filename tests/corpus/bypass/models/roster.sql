-- polder: materialized = view
select id, code, salary as pay from patients where ward = 'A'
