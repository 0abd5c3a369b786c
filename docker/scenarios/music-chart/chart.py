"""Counts how often each song of the topic `songs` was played, and writes the chart to the topic `song-counts`: spark-submit chart.py BROKERS. README.md has the whole line."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, count, desc, get_json_object, struct, to_json

brokers = {"kafka.bootstrap.servers": sys.argv[1]}
session = SparkSession.builder.appName("music-chart").getOrCreate()
plays = session.read.format("kafka").options(**brokers, subscribe="songs").load()
song = get_json_object(col("value").cast("string"), "$.songName")
chart = plays.groupBy(song.alias("songName")).agg(count("*").alias("count")).orderBy(desc("count"), "songName")
values = chart.select(col("songName").alias("key"), to_json(struct("count", "songName")).alias("value"))
values.write.format("kafka").options(**brokers, topic="song-counts").save()
session.stop()
