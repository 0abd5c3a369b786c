CREATE SCHEMA IF NOT EXISTS lake.charts;
CREATE TABLE IF NOT EXISTS lake.charts.songs (count bigint, songname varchar) WITH (format = 'JSON', external_location = 's3://charts/songs/');
