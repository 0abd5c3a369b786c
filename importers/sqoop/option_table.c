/* option_table: what Sqoop's tools take, and what becomes of it; see sqoop.h. The classes are those of the options of Sqoop 1.4.7. */
#include "sqoop/sqoop.h"

#define MUST 'M'
#define SHOULD 'S'
#define ACCEPTED 'A'
#define NEVER 'N'

/* TOOLS: those that take the rows below it. */
#define CREATING SQOOP_FOR(SQOOP_CREATE_HIVE)
#define ASKING \
    (SQOOP_FOR(SQOOP_LIST_TABLES) | SQOOP_FOR(SQOOP_LIST_DATABASES) | SQOOP_FOR(SQOOP_EVAL) | CREATING)
#define ONE SQOOP_FOR(SQOOP_IMPORT)
#define ALL SQOOP_FOR(SQOOP_IMPORT_ALL)
#define IMPORTING (ONE | ALL)
#define SAVED SQOOP_FOR(SQOOP_JOB)

#define TAKES(NAME, LETTER, ARGUMENT, CLASS, HELP, WHAT)              \
    {                                                                 \
        NAME, LETTER, ARGUMENT, CLASS, SQOOP_TAKEN, HELP, WHAT, TOOLS \
    }
#define IGNORES(NAME, LETTER, ARGUMENT, HELP, WHAT)                        \
    {                                                                      \
        NAME, LETTER, ARGUMENT, ACCEPTED, SQOOP_IGNORED, HELP, WHAT, TOOLS \
    }
#define REFUSES(NAME, LETTER, ARGUMENT, CLASS, HELP, WHAT)              \
    {                                                                   \
        NAME, LETTER, ARGUMENT, CLASS, SQOOP_REFUSED, HELP, WHAT, TOOLS \
    }

#define NO_CODE "no code is generated"
#define NO_HADOOP "nothing of Hadoop is used"
#define EXPORT "it is about export; an import does nothing with it"
#define HCATALOG \
    "there is no HCatalog here: use --target-dir and --as-parquetfile, and create the table over that directory"
#define HBASE "there is no HBase here: use --target-dir, and load the files with HBase's ImportTsv"
#define ACCUMULO "there is no Accumulo here: use --target-dir, and load the files with Accumulo's bulk import"

const struct sqoop_option sqoop_options[] = {
/* common */
#define TOOLS (IMPORTING | ASKING)
    TAKES("connect", 0, "jdbc-uri", MUST, "Specify JDBC connect string",
        "jdbc:postgresql: URLs, with user, password and the parameters of TLS; other databases are refused by name"),
    IGNORES("connection-manager", 0, "class-name", "Specify connection manager class name", NO_CODE),
    TAKES("connection-param-file", 0, "properties-file", MUST, "Specify connection parameters file",
        "the parameters that a URL may have, one NAME=VALUE a line"),
    IGNORES("driver", 0, "class-name", "Manually specify JDBC driver class to use", "there is no JDBC"),
    TAKES("username", 0, "username", MUST, "Set authentication username", "--user"),
    TAKES("password", 0, "password", SHOULD, "Set authentication password",
        "taken, wiped from the list of processes, and complained about"),
    TAKES("password-file", 0, "file", MUST, "File with the password",
        "a local file that nobody else may read; a line break at its end does not belong to the password"),
    TAKES("", 'P', NULL, MUST, "Read password from console", "--ask-password"),
    REFUSES("password-alias", 0, "alias", ACCEPTED, "Alias in a Hadoop credential store",
        "there are no credential stores of Hadoop here: use --password-file, or a ~/.pgpass"),
    IGNORES("hadoop-mapred-home", 0, "dir", "Override $HADOOP_MAPRED_HOME_ARG", NO_HADOOP),
    IGNORES("hadoop-home", 0, "hdir", "Override $HADOOP_MAPRED_HOME_ARG", NO_HADOOP),
    IGNORES("skip-dist-cache", 0, NULL, "Skip copying jars to distributed cache", NO_HADOOP),
#undef TOOLS
#define TOOLS (IMPORTING | ASKING | SAVED)
    TAKES("verbose", 0, NULL, MUST, "Print more information while working",
        "a line of progress every ten seconds while rows are read"),
    TAKES("help", 0, NULL, MUST, "Print usage instructions", "this list"),
#undef TOOLS
#define TOOLS (IMPORTING | ASKING)
    IGNORES("temporary-rootdir", 0, "rootdir", "Defines the temporary root directory for the import",
        "unfinished files lie in a hidden directory beside the target, so that they can take its name in one step"),
    IGNORES("metadata-transaction-isolation-level", 0, "isolationlevel",
        "Defines the transaction isolation level for metadata queries", "all is read in one snapshot"),
    TAKES("throw-on-error", 0, NULL, SHOULD, "Rethrow a RuntimeException on error occurred during the job",
        "the exit status is never 0 after an error"),
    IGNORES("relaxed-isolation", 0, NULL, "Use read-uncommitted isolation for imports",
        "all is read in one snapshot"),
    REFUSES("oracle-escaping-disabled", 0, "boolean", NEVER,
        "Disable the escaping mechanism of the Oracle/OraOop connection managers",
        "it is Oracle's, and only PostgreSQL is read: leave it out"),
#undef TOOLS
#define TOOLS (IMPORTING | ASKING | SAVED)
    TAKES("options-file", 0, "file", MUST, "Read words of the command line from a file",
        "one word a line, # and empty lines are left out; taken wherever it stands"),
    TAKES("dry-run", 0, NULL, MUST, "(not Sqoop's) print what would be done, and touch nothing",
        "what becomes of the line; of an import the line of penstock import that does the same, and its plan"),

/* import: control */
#undef TOOLS
#define TOOLS IMPORTING
    TAKES("direct", 0, NULL, SHOULD, "Use direct import fast path",
        "every import uses COPY; text of tables is PostgreSQL's own CSV, as in Sqoop: times without .0, NULL as nothing, TRUE and FALSE, fields in quotes that need them"),
#undef TOOLS
#define TOOLS (ONE | CREATING)
    TAKES("table", 0, "table-name", MUST, "Table to read", "its exact name; views, too"),
#undef TOOLS
#define TOOLS ONE
    TAKES(
        "columns", 0, "col,col,col...", MUST, "Columns to import from table", "these columns, in this order"),
    TAKES("split-by", 0, "column-name", MUST, "Column of the table used to split work units",
        "of any type that PostgreSQL can compare; rows with NULL in it are read, too"),
    TAKES("split-limit", 0, "size", SHOULD, "Upper limit of rows per split",
        "so many rows a file, as far as the server's statistics say; with -m 1 it changes nothing"),
    TAKES("where", 0, "where clause", MUST, "WHERE clause to use during import", "a condition in SQL"),
    TAKES("append", 0, NULL, MUST, "Append files to an existing target directory",
        "with the numbers that follow, and all of them at once"),
    TAKES("delete-target-dir", 0, NULL, MUST, "Delete the target directory first if it exists",
        "it is replaced in one step when all is read, and stays when the import fails"),
    TAKES("target-dir", 0, "dir", MUST, "HDFS plain table destination",
        "a directory of this machine, webhdfs://HOST:PORT/DIRECTORY or s3://BUCKET/DIRECTORY; with --config, a path of the store that lake.url names, and file: URLs are of this machine"),
#undef TOOLS
#define TOOLS (ONE | SQOOP_FOR(SQOOP_EVAL))
    TAKES("query", 'e', "statement", MUST, "Import results of SQL 'statement', or execute it",
        "of an import: $CONDITIONS is true, --split-by cuts it, without it one connection reads; eval runs it as it is, and commits"),
#undef TOOLS
#define TOOLS ONE
    TAKES("boundary-query", 0, "statement", MUST,
        "Set boundary query for retrieving max and min value of the primary key",
        "only rows between its two values are read, by the column of --split-by or the first one of the primary key; it is asked in the snapshot"),
    TAKES("merge-key", 0, "column", SHOULD, "Key column to use to join results",
        "one or several, with commas; of text, Avro and Parquet that was written here: with --incremental lastmodified rows of the directory whose key has changed are replaced, all in one step"),
#undef TOOLS
#define TOOLS IMPORTING
    TAKES("config", 'c', "file", MUST, "(not Sqoop's) penstock's configuration",
        "its lake.url says where paths of --target-dir and --warehouse-dir are, its lake.s3.* and lake.hdfs.* how that is reached"),
    TAKES("warehouse-dir", 0, "dir", MUST, "HDFS parent for table destination",
        "the target is a directory in it, called like the table; import-all-tables makes it, with a directory for each table"),
#undef TOOLS
#define TOOLS ALL
    TAKES("exclude-tables", 0, "tables", MUST, "Tables to exclude when importing all tables",
        "their exact names, between commas"),
#undef TOOLS
#define TOOLS IMPORTING
    REFUSES("as-sequencefile", 0, NULL, NEVER, "Imports data to SequenceFiles",
        "SequenceFiles need Java classes to be read: use --as-avrodatafile or --as-parquetfile"),
#undef TOOLS
#define TOOLS (IMPORTING | CREATING)
    TAKES("as-textfile", 0, NULL, MUST, "Imports data as plain text (default)",
        "the text that Sqoop writes, byte for byte"),
    TAKES("as-avrodatafile", 0, NULL, MUST, "Imports data to Avro data files",
        "dates and times are Avro's, with their microseconds; numeric is a string, as in Sqoop"),
    TAKES("as-parquetfile", 0, NULL, MUST, "Imports data to Parquet files", "the same"),
#undef TOOLS
#define TOOLS IMPORTING
    TAKES("num-mappers", 'm', "n", MUST, "Use 'n' map tasks to import in parallel",
        "so many connections, 4 unless it is said, at most 64; -m 1 makes one file, more make as many as the table's size is worth"),
    IGNORES("mapreduce-job-name", 0, "name", "Set name for generated mapreduce job", NO_HADOOP),
    TAKES("compress", 'z', NULL, MUST, "Enable compression",
        "gzip for text, deflate for Avro, snappy for Parquet"),
    TAKES("compression-codec", 0, "codec", MUST, "Compression codec to use for import",
        "gzip, snappy, deflate or zstd, and Hadoop's classes of these names, as far as the format has them"),
    TAKES("direct-split-size", 0, "n", SHOULD, "Start a new file every n bytes",
        "so many bytes of the table a file, about, with or without --direct"),
    IGNORES(
        "inline-lob-limit", 0, "n", "Set the maximum size for an inline LOB", "values stay where they are"),
    IGNORES("fetch-size", 0, "n",
        "Set number 'n' of rows to fetch from the database when more rows are needed",
        "rows come in a stream"),
    IGNORES("autoreset-to-one-mapper", 0, NULL, "Use one mapper when a table has no key and no --split-by",
        "tables without a key are cut, too"),
    IGNORES("jar-file", 0, "file", "Disable code generation; use specified jar", NO_CODE),

#undef TOOLS
#define TOOLS ONE
    /* incremental, validation */
    TAKES("incremental", 0, "import-type", MUST,
        "Define an incremental import of type 'append' or 'lastmodified'",
        "append goes with --append; rows whose transactions commit late are not lost"),
    TAKES("check-column", 0, "column", MUST, "Source column to check for incremental change",
        "whole numbers, numeric, dates and timestamps, in both types of import"),
    TAKES("last-value", 0, "value", MUST, "Last imported value in the incremental check column",
        "the import prints the next one; numbers are read above it, dates and timestamps from it on"),
    TAKES("validate", 0, NULL, MUST, "Validate the copy using the configured validator",
        "rows are counted against the server's count in any case; this reads the files again and compares them with the manifest"),
    REFUSES("validator", 0, "class-name", NEVER, "Fully qualified class name for the Validator",
        "no Java is loaded: use --validate alone"),
    TAKES("validation-threshold", 0, "class-name", SHOULD,
        "Fully qualified class name for ValidationThreshold",
        "org.apache.sqoop.validation.AbsoluteValidationThreshold, which is Sqoop's own: no row may be missing"),
    REFUSES("validation-failurehandler", 0, "class-name", NEVER,
        "Fully qualified class name for ValidationFailureHandler",
        "no Java is loaded: use --validate alone, and look at the exit status"),

#undef TOOLS
#define TOOLS (IMPORTING | CREATING)
    /* output formatting, nulls */
    TAKES("fields-terminated-by", 0, "char", MUST, "Sets the field separator character",
        "of text; default: a comma, for Hive \\001"),
    TAKES("lines-terminated-by", 0, "char", MUST, "Sets the end-of-line character", "of text; default: \\n"),
    TAKES("optionally-enclosed-by", 0, "char", MUST, "Sets a field enclosing character", "of text"),
    TAKES("enclosed-by", 0, "char", MUST, "Sets a required field enclosing character", "of text"),
    TAKES("escaped-by", 0, "char", MUST, "Sets the escape character", "of text"),
    TAKES("mysql-delimiters", 0, NULL, SHOULD,
        "Uses MySQL's default delimiter set: fields: ,  lines: \\n  escaped-by: \\  optionally-enclosed-by: '",
        "of text"),
    TAKES("null-string", 0, "null-str", MUST, "Text written for NULL in string columns (default: null)",
        "with the escapes of Java: '\\\\N' is \\N; for Hive that is the default"),
    TAKES("null-non-string", 0, "null-str", MUST, "Text written for NULL in other columns (default: null)",
        "the same"),
#undef TOOLS
#define TOOLS IMPORTING
    TAKES("hive-drop-import-delims", 0, NULL, MUST, "Drop \\n, \\r and \\01 from string fields",
        "--drop-delimiters"),
    TAKES("hive-delims-replacement", 0, "text", MUST,
        "Replace \\n, \\r and \\01 in string fields by this string", "--delimiters-replacement"),
    IGNORES("input-fields-terminated-by", 0, "char", "Sets the input field separator", EXPORT),
    IGNORES("input-lines-terminated-by", 0, "char", "Sets the input end-of-line char", EXPORT),
    IGNORES("input-optionally-enclosed-by", 0, "char", "Sets a field enclosing character", EXPORT),
    IGNORES("input-enclosed-by", 0, "char", "Sets a required field encloser", EXPORT),
    IGNORES("input-escaped-by", 0, "char", "Sets the input escape character", EXPORT),
    IGNORES("input-null-string", 0, "null-str", "Input null string representation", EXPORT),
    IGNORES("input-null-non-string", 0, "null-str", "Input null non-string representation", EXPORT),

    /* code generation */
    IGNORES("outdir", 0, "dir", "Output directory for generated code", NO_CODE),
    IGNORES("bindir", 0, "dir", "Output directory for compiled objects", NO_CODE),
    IGNORES("package-name", 0, "name", "Put auto-generated classes in this package", NO_CODE),
    IGNORES("class-name", 0, "name", "Name of the generated class", NO_CODE),
    TAKES("map-column-java", 0, "column=type,...", MUST,
        "Override mapping for specific columns to java types",
        "PostgreSQL casts the column: String, Integer, Long, Float, Double, Boolean, java.math.BigDecimal, java.sql.Date, java.sql.Time or java.sql.Timestamp"),
    TAKES("escape-mapping-column-names", 0, "boolean", SHOULD,
        "Escape special characters in column names of type mappings",
        "names of columns are exact in any case"),

    /* Hive, HCatalog, HBase, Accumulo */
    TAKES("hive-import", 0, NULL, SHOULD, "Import tables into Hive",
        "--hive: _hive.sql lies beside the files, and beeline or spark-sql runs it; without one of them the command is printed"),
    TAKES("hive-client", 0, "command", SHOULD, "(not Sqoop's) the client of Hive",
        "'beeline -u jdbc:hive2://...', with what it needs but -f; none: the command is printed only"),
#undef TOOLS
#define TOOLS (IMPORTING | CREATING)
    IGNORES("hive-home", 0, "dir", "Override $HIVE_HOME",
        "the client is found on the PATH, or --hive-client names it"),
    TAKES("hive-overwrite", 0, NULL, SHOULD, "Overwrite existing data in the Hive table",
        "of the partition, where there is one"),
    TAKES("create-hive-table", 0, NULL, SHOULD, "Fail if the target hive table exists", "--hive-new"),
#undef TOOLS
#define TOOLS (ONE | CREATING)
    TAKES("hive-table", 0, "table-name", SHOULD, "Sets the table name to use when importing to hive",
        "default: the table's own; database.table is taken, too"),
#undef TOOLS
#define TOOLS (IMPORTING | CREATING)
    TAKES("hive-database", 0, "database-name", SHOULD, "Sets the database name to use when importing to hive",
        "it has to be there"),
    TAKES("hive-partition-key", 0, "partition-key", SHOULD,
        "Sets the partition key to use when importing to hive",
        "a column of strings that is not in the files"),
    TAKES("hive-partition-value", 0, "partition-value", SHOULD,
        "Sets the partition value to use when importing to hive", "the files become this partition"),
#undef TOOLS
#define TOOLS (ONE | CREATING)
    TAKES("external-table-dir", 0, "hdfs path", SHOULD, "Sets where the external table is in HDFS",
        "--hive-location: as Hive knows it, hdfs: too"),
#undef TOOLS
#define TOOLS (IMPORTING | CREATING)
    TAKES("map-column-hive", 0, "column=type,...", SHOULD,
        "Override mapping for specific column to hive types.",
        "Hive's own words; DECIMAL(10%2C2) has a comma in it"),
#undef TOOLS
#define TOOLS IMPORTING
    REFUSES("hcatalog-table", 0, "table", NEVER, "HCatalog table name", HCATALOG),
    REFUSES("hcatalog-database", 0, "database", NEVER, "HCatalog database name", HCATALOG),
    REFUSES("hcatalog-home", 0, "hdir", NEVER, "Override $HCAT_HOME", HCATALOG),
    REFUSES("hcatalog-partition-keys", 0, "partition-key", NEVER,
        "Sets the partition keys to use when importing to hive", HCATALOG),
    REFUSES("hcatalog-partition-values", 0, "partition-value", NEVER,
        "Sets the partition values to use when importing to hive", HCATALOG),
    REFUSES("create-hcatalog-table", 0, NULL, NEVER, "Create HCatalog before import", HCATALOG),
    REFUSES(
        "drop-and-create-hcatalog-table", 0, NULL, NEVER, "Drop and Create HCatalog before import", HCATALOG),
    REFUSES("hcatalog-storage-stanza", 0, "stanza", NEVER, "HCatalog storage stanza for table creation",
        HCATALOG),
    REFUSES("hbase-table", 0, "table", NEVER, "Import to <table> in HBase", HBASE),
    REFUSES("column-family", 0, "family", NEVER, "Sets the target column family for the import", HBASE),
    REFUSES("hbase-row-key", 0, "col", NEVER, "Specifies which input column to use as the row key", HBASE),
    REFUSES("hbase-bulkload", 0, NULL, NEVER, "Enables HBase bulk loading", HBASE),
    REFUSES("hbase-create-table", 0, NULL, NEVER, "If specified, create missing HBase tables", HBASE),
    REFUSES("accumulo-table", 0, "table", NEVER, "Import to <table> in Accumulo", ACCUMULO),
    REFUSES("accumulo-column-family", 0, "family", NEVER, "Sets the target column family for the import",
        ACCUMULO),
    REFUSES(
        "accumulo-row-key", 0, "col", NEVER, "Specifies which input column to use as the row key", ACCUMULO),
    REFUSES("accumulo-visibility", 0, "vis", NEVER, "Visibility token to be applied to all rows imported",
        ACCUMULO),
    REFUSES(
        "accumulo-create-table", 0, NULL, NEVER, "If specified, create missing Accumulo tables", ACCUMULO),
    REFUSES("accumulo-batch-size", 0, "size", NEVER, "Batch size in bytes", ACCUMULO),
    REFUSES("accumulo-max-latency", 0, "latency", NEVER, "Max write latency in milliseconds", ACCUMULO),
    REFUSES("accumulo-zookeepers", 0, "zookeepers", NEVER, "Comma-separated list of zookeepers (host:port)",
        ACCUMULO),
    REFUSES("accumulo-instance", 0, "instance", NEVER, "Accumulo instance name", ACCUMULO),
    REFUSES("accumulo-user", 0, "user", NEVER, "Accumulo user name", ACCUMULO),
    REFUSES("accumulo-password", 0, "password", NEVER, "Accumulo password", ACCUMULO),

/* behind a bare -- */
#undef TOOLS
#define TOOLS (IMPORTING | CREATING | SQOOP_FOR(SQOOP_LIST_TABLES))
    TAKES("schema", 0, "name", MUST, "Optional schema name, behind a bare --",
        "the schema of the table, or of the tables"),
#undef TOOLS
#define TOOLS IMPORTING
    TAKES("boolean-true-string", 0, "string", SHOULD, "String to encode TRUE value, behind a bare --",
        "of text with --direct; default: TRUE"),
    TAKES("boolean-false-string", 0, "string", SHOULD, "String to encode FALSE value, behind a bare --",
        "of text with --direct; default: FALSE"),
    REFUSES("table-hints", 0, "string", NEVER, "Optional table hints to use",
        "it is SQL Server's, and only PostgreSQL is read: leave it out"),
    REFUSES("identity-insert", 0, NULL, NEVER, "Allow identity inserts",
        "it is SQL Server's, and only PostgreSQL is read: leave it out"),

#undef TOOLS
#define TOOLS SAVED
    /* saved jobs */
    TAKES("create", 0, "job-id", MUST, "Create a new saved job",
        "of the tool and the options behind --, which are checked, but for those that change nothing; a password is never kept, --exec asks for it"),
    TAKES("delete", 0, "job-id", MUST, "Delete a saved job", "what it has imported stays"),
    TAKES("exec", 0, "job-id", MUST, "Run a saved job",
        "options behind -- count more than the job's; an incremental import goes on behind what is published"),
    TAKES("list", 0, NULL, MUST, "List saved jobs", "their names, in the order of their bytes"),
    TAKES("show", 0, "job-id", MUST, "Show the parameters for a saved job",
        "its options, and the last value with which it would go on"),
    TAKES("meta-connect", 0, "directory", SHOULD, "Specify JDBC connect string for the metastore",
        "the directory that jobs are kept in, file: URLs too; default: ~/.penstock/jobs; jdbc: is refused, there is no metastore"),
};

const size_t sqoop_options_count = sizeof sqoop_options / sizeof *sqoop_options;

const struct sqoop_tool_row sqoop_tools[] = {
    {"import", SQOOP_IMPORT, "Import a table from a database to files"},
    {"import-all-tables", SQOOP_IMPORT_ALL, "Import all tables of a schema to files, in one snapshot"},
    {"list-tables", SQOOP_LIST_TABLES, "List the tables of a schema"},
    {"list-databases", SQOOP_LIST_DATABASES, "List the databases of a server"},
    {"eval", SQOOP_EVAL, "Evaluate a SQL statement and display the results"},
    {"create-hive-table", SQOOP_CREATE_HIVE, "Print the statement by which Hive creates a table"},
    {"job", SQOOP_JOB, "Work with saved jobs"},
    {"help", SQOOP_HELP, "List available tools, or what a tool takes"},
    {"version", SQOOP_VERSION, "Display version information"},
    {"export", SQOOP_OTHER, "tables are only read here; psql's \\copy brings files into a table"},
    {"codegen", SQOOP_OTHER, "no code is generated, leave it out"},
    {"merge", SQOOP_OTHER, "merge the directories with Spark or Hive"},
    {"metastore", SQOOP_OTHER, "there is no metastore, keep lines in scripts"},
    {"import-mainframe", SQOOP_OTHER, "only PostgreSQL is read"},
};

const size_t sqoop_tools_count = sizeof sqoop_tools / sizeof *sqoop_tools;
