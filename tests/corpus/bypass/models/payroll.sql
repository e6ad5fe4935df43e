-- polder: materialized = table
select id, salary, bonus from patients
