SELECT host, count(*) AS events FROM events GROUP BY host ORDER BY host;
SELECT event_type, count(*) AS events FROM events GROUP BY event_type ORDER BY event_type;
SELECT host, round(sum(price), 2) AS spent FROM events WHERE type = 'purchase' GROUP BY host ORDER BY host;
