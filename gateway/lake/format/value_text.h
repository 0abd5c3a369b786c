/* value_text: one value of a fixed size as text, without quotes. Pure. @thread any
 *
 * to has room for VALUE_TEXT_MAX bytes; the end of the text is returned, nothing terminates it.
 *
 * DELIMITED_ISO is what PostgreSQL prints, but for
 *   dates and times, which are those of ISO 8601: "2024-01-02T03:04:05.5", with Z where the column is of UTC; microseconds only as far as
 *   they go; the year 0 is 1 BC; years below 0 and above 9999 have a sign and as many digits as they need ("-0043", "+10000", as
 *   java.time's ISO_LOCAL_DATE reads them); "infinity" and "-infinity";
 *   the float -0, which is "-0.0": readers of JSON take "-0" for an integer and lose the sign.
 * DELIMITED_JAVA is what Java prints:
 *   java.sql.Timestamp.toString(), "2024-01-02 03:04:05.0", in UTC where the column is of UTC; years above 9999 without a sign;
 *   java.sql.Time.toString(), "03:04:05", but with microseconds where there are any: Java's text would lose them;
 *   Double.toString() and Float.toString() as JDK 19 specifies them, "1.0E10": older ones print a digit too many now and then.
 * DELIMITED_POSTGRES is what PostgreSQL prints with DateStyle ISO and TimeZone UTC: "2024-01-02 03:04:05.5+00", "0044-03-15 BC", "t", "-0".
 */
#ifndef PENSTOCK_LAKE_FORMAT_VALUE_TEXT_H
#define PENSTOCK_LAKE_FORMAT_VALUE_TEXT_H

#include "lake/column.h"
#include "lake/format/table_file.h"

#define VALUE_TEXT_MAX 64

char *value_text_int(char *to, int64_t value);
char *value_text_float64(char *to, double value, enum delimited_style style);
char *value_text_float32(char *to, float value, enum delimited_style style);
/* value: as COLUMN_DECIMAL's; all of the scale's digits are printed. */
char *value_text_decimal(char *to, const void *value, unsigned scale);
char *value_text_date(char *to, int32_t days, enum delimited_style style);
char *value_text_time(char *to, int64_t microseconds);
char *value_text_timestamp(char *to, int64_t microseconds, bool utc, enum delimited_style style);
char *value_text_uuid(char *to, const void *value);

/* Of COLUMN_BOOL to COLUMN_UUID; the value is not NULL. */
char *value_text(char *to, const struct column *column, size_t row, enum delimited_style style);

#endif
