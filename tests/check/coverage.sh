#!/usr/bin/env bash
# coverage.sh BUILD: every line of these files is reached by the unit tests. A line that cannot be reached is marked
# GCOVR_EXCL_LINE with its excuse beside it (house.py looks for the excuse).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec gcovr --root . --object-directory "$1" --exclude-throw-branches \
    --filter 'gateway/access/' --filter 'gateway/base/(peers|regex|shown)' --filter 'gateway/decode/' --filter 'gateway/route/' --filter 'gateway/record/' --filter 'gateway/journal/' \
    --filter 'gateway/lake/(column|convert|ddl|file_name|format[_.]|forms|lake_file|row|row_value|schema_file|shapes)' --filter 'gateway/lake/format/(avro|codec|delimited_rows|row_text|table_file)' \
    --filter 'gateway/source/http_(guard|target|type|answer)' --filter 'gateway/source/(answer_state|idempotency|intake_once|sequence_state)[.]' \
    --filter 'gateway/source/mqtt_facts' \
    --filter 'gateway/source/mqtt_(ids|packet|session|state)' --filter 'gateway/source/source_state' \
    --filter 'gateway/source/subscriber_(url|window)' \
    --filter 'gateway/command/import_(options|value|table|verify)[.]' --filter 'importers/sqoop/' --filter 'importers/table/(attempt|attempt_file|attempt_log|attempt_publish|attempt_target|checksum|manifest_read|merge_keys|merge_file|merge_parquet|pace|plan|published|verify_files|verify_tables)[.]' \
    --filter 'importers/table/postgres/(copy|decode|decode_[a-z]*|type|type_[a-z]*)[.]' \
    --filter 'importers/files/(charset|lines|multiline|notice|pattern|state|unpack|walk)[.]' \
    --fail-under-line 100 --print-summary "$1"
