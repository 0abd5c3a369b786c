CREATE TABLE telemetry (id integer PRIMARY KEY, sensor_id integer NOT NULL, wattage numeric(8, 2), note text);
INSERT INTO telemetry
SELECT n, n % 6 + 1, CASE WHEN n % 10 > 0 THEN n * 1.25 END, 'of ' || (1990 + n / 100) FROM generate_series(1, 1000) n;
