-- polder: materialized = table
-- Delays by wind at departure, age of the aircraft and airline, with how many flights found their aircraft, weather and destination.
select
  case
    when w.wind_speed is null then 'unknown'
    when w.wind_speed < 5 then '0 to 5 mph'
    when w.wind_speed < 15 then '5 to 15 mph'
    when w.wind_speed < 25 then '15 to 25 mph'
    else '25 mph and more'
  end as wind,
  case
    -- Built after the flight: the tail number was another aircraft's then.
    when p.year is null or p.year > f.year then 'unknown'
    when f.year - p.year < 5 then '0 to 4 years'
    when f.year - p.year < 10 then '5 to 9 years'
    when f.year - p.year < 20 then '10 to 19 years'
    else '20 years and more'
  end as aircraft_age,
  coalesce(a.name, f.carrier) as airline,
  count(*) as flights,
  count(f.dep_delay) as departed,
  sum(f.dep_delay) as dep_delay_minutes,
  count(f.arr_delay) as arrived,
  sum(f.arr_delay) as arr_delay_minutes,
  count(p.tailnum) as found_aircraft,
  count(w.origin) as found_weather,
  count(d.faa) as found_destination
from flights f
left join airlines a on a.carrier = f.carrier
left join weather w on w.origin = f.origin and w.time_hour = f.time_hour
left join planes p on p.tailnum = f.tailnum
left join airports d on d.faa = f.dest
group by 1, 2, 3
