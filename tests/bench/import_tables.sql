-- The tables of the import rows; :rows of them, the wide one has a tenth. Run with psql on an empty database.
create table telemetry (id bigint, name text, wattage float8, ts timestamptz, meta jsonb);
insert into telemetry
select g, 'SENSOR_' || lpad((g * 7919 % 20000)::text, 5, '0'), round((g * 48271 % 500000)::numeric / 100, 2)::float8,
    timestamptz '2024-01-01 00:00:00+00' + g * interval '1.734 s',
    case when g % 10 < 3 then ('{"fw": "1.' || g % 7 || '.' || g % 13 || '", "rssi": -' || 30 + g % 60 || ', "tags": ["t' || g % 5 || '", "u' || g % 3 || '"]}')::jsonb end
from generate_series(1::bigint, :rows) g;

-- Nine of ten ids lie in the last hundredth of their range.
create table skewed as
select case when id <= :rows / 10 then id * 990 else :rows * 99 + id end as id, name, wattage, ts, meta
from telemetry;

create table shuffled as select * from telemetry order by hashint8(id);

create type mood as enum ('sad', 'ok', 'happy');
create type place as (lat float8, lon float8, label text);
create domain positive as integer check (value > 0);
create table wide (
    id uuid, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n102 numeric(10, 2), m money, t text, vc varchar(40), c char(8), ba bytea, d date,
    tm time, tmtz timetz, ts timestamp, tstz timestamptz, iv interval, ia int4[], ta text[], na numeric[], js json, jb jsonb, ip inet, cd cidr, mac macaddr, md mood,
    pl place, r int4range, tr tstzrange, bits varbit, x xml, pt point, dom positive, tsv tsvector);
insert into wide
select md5(g::text)::uuid, g % 2 = 0, (g % 30000)::int2, g, g::int8 * 1000003, (g * 1.1)::float4, g / 7.0,
    case g % 4 when 0 then null when 1 then g::numeric / 7 when 2 then g::numeric * 1000000000000000000000.000000001 else g end, g::numeric / 100,
    (g::numeric / 100)::money, case g % 4 when 0 then null when 1 then E'tab\there, "quotes"\nand back\\slash' when 2 then U&'\00FCn\00EFcode ' || g else '' end,
    'vc' || g, 'c' || g % 100, decode(md5(g::text) || '00ff5c0a', 'hex'), date '2000-01-01' + g % 20000, time '00:00:00.000001' + g % 86000 * interval '1 s',
    (time '00:00' + g % 86000 * interval '1 s')::timetz, timestamp '1999-12-31 23:59:59.999999' + g * interval '1 min',
    timestamptz '2024-02-29 12:00:00+02' + g * interval '1 min', make_interval(months => g % 40, days => -(g % 20), secs => g % 5000 * 1.5),
    case g % 3 when 0 then null when 1 then array[g, null, g + 1] else '{}' end, array['a,b', 'c"d', null, 'NULL', E'\\x'], array[g / 3.0, 1, null],
    ('{"a" :  ' || g || ', "b":2}')::json, jsonb_build_object('k', g, 's', E'q"\\', 'n', null, 'list', jsonb_build_array(1.5, true, 1e30)),
    ('10.0.' || g % 256 || '.' || g % 250)::inet, ('10.' || g % 256 || '.0.0/16')::cidr, ('08:00:2b:01:02:' || lpad(to_hex(g % 256), 2, '0'))::macaddr,
    (enum_range(null::mood))[1 + g % 3], row(g / 10.0, -g / 10.0, case when g % 2 = 0 then null else 'la"b,(el)' end)::place, int4range(g, g + 10),
    tstzrange(timestamptz '2024-01-01+00', null), (g % 256)::bit(8)::varbit, '<a>x</a>'::xml, point(g, -g), g, to_tsvector('simple', 'a fat cat ' || g)
from generate_series(1, :rows / 10) g;

vacuum (analyze, freeze) telemetry, skewed, shuffled, wide;
alter table telemetry add primary key (id);
checkpoint;
