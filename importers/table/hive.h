/* hive: what lies beside the files of an import that Hive is told about. Readers overlook names that begin with `_`.
 *
 * The script appears with the files, in one step. Whoever gives it to Hive makes HIVE_BEGUN before, and HIVE_LOADED afterwards: so files are given to Hive once, and a directory
 * whose files Hive has may be replaced. With HIVE_BEGUN alone nobody knows whether Hive has them. Where tables have directories of their own, each has all of this, and the
 * directory around them has HIVE_LOADED when all of them have.
 */
#ifndef PENSTOCK_TABLE_HIVE_H
#define PENSTOCK_TABLE_HIVE_H

#define HIVE_MARK "_hive" /* what all of them begin with */
#define HIVE_SCRIPT "_hive.sql"
#define HIVE_BEGUN "_hive_begun"
#define HIVE_LOADED "_hive_loaded"

#endif
