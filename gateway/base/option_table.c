/* option_table: the rows, see option.h. The order is the one in which a user reads them; rows of one section stand
 * together (config_print() and option_print_schema() count on it). */
#include "base/option.h"

#include "base/config.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

#define MILLISECOND UINT64_C(1000)
#define SECOND (MILLISECOND * 1000)
#define HOUR (SECOND * 3600)
#define DAY (HOUR * 24)

#define IN_CONFIG(member) offsetof(struct config, member)
#define IN_STREAM(member) offsetof(struct config_stream, member)

#define IN_SUBSCRIPTION(member) offsetof(struct config_subscription, member)

#define IN_WATCH(member) offsetof(struct config_watch, member)

#define ELEMENTS(type, first, number) \
    .size = sizeof(struct type), .elements = IN_CONFIG(first), .count = IN_CONFIG(number)

#define TEXT(what) OPTION_TEXT, .allowed = what
#define WORDS(words) OPTION_ENUM, .allowed = words
#define SIZE(low, high) OPTION_SIZE, .unit = "a size", .least = low, .most = high
#define COUNT(what, low, high) OPTION_COUNT, .unit = "a number of " what, .least = low, .most = high
#define TIME(low, high) OPTION_DURATION, .unit = "a time", .least = low, .most = high
#define TEXTS(what) OPTION_TEXTS, .allowed = what
#define MAP(rule, what) OPTION_MAP, .map = &rule, .allowed = what

/* clang-format off */
/* The same for each listener. */
#define LISTENER_TLS(section, member) \
    {section ".certificate", TEXT("a file"), .offset = IN_CONFIG(member.certificate), .initial = "", \
        .help = "Certificate (PEM, its chain behind it) that clients are shown: with it nothing but TLS 1.2 and 1.3 is spoken there. SIGHUP has it read again, with the other files."}, \
    {section ".key", TEXT("a file"), .offset = IN_CONFIG(member.key), .initial = "", \
        .help = "Its private key (PEM, without a passphrase); only its owner and group may be able to read it."}, \
    {section ".client_ca", TEXT("a file"), .offset = IN_CONFIG(member.client_ca), .initial = "", \
        .help = "Certificates (PEM) of the authorities that clients' certificates are held against; empty: clients are not asked for any."}, \
    {section ".clients", WORDS("required optional"), .offset = IN_CONFIG(member.clients), .initial = "required", \
        .help = "With client_ca: whether a client that shows no certificate is let in. One that does not hold never is."}

const struct option option_table[] = {
    {"gateway.id", OPTION_NAME, .offset = IN_CONFIG(gateway.id), .initial = "",
        .help = "Name of this gateway, part of every record's id; empty: the host's name. Fixed at the first start."},
    {"gateway.data", TEXT("a directory"), .least = 1, .offset = IN_CONFIG(gateway.data), .initial = "./penstock-data",
        .help = "Where the journal and the default lake lie."},
    {"gateway.grace", TIME(0, HOUR), .offset = IN_CONFIG(gateway.grace), .initial = "10s",
        .help = "How long a stop may take; what is not delivered by then waits in the journal."},
    {"gateway.user", TEXT("a user"), .offset = IN_CONFIG(gateway.user), .initial = "",
        .help = "Whom a gateway that is started as root becomes before it opens any file; empty: it stays root. It can listen on ports below 1024 all the same."},

    {"journal.max_size", SIZE(5 * MIB, 16 * TIB), .offset = IN_CONFIG(journal.max_size), .initial = "8GiB",
        .bound = {OPTION_AT_LEAST, "journal.segment_size", 5, 1},
        .help = "Disk space of the journal, reserve included; when it is full the sources wait."},
    {"journal.segment_size", SIZE(MIB, GIB), .offset = IN_CONFIG(journal.segment_size), .initial = "64MiB",
        .help = "Size of one file of the journal."},

    {"access.credentials", TEXT("a file"), .offset = IN_CONFIG(access.credentials), .initial = "",
        .help = "Who may write over HTTP and MQTT: the file that `penstock credentials` makes, read again on SIGHUP. Empty: nobody is asked."},
    {"access.address_rate", COUNT("records per second", 1, 1000000000), .zero = "as many as come", .offset = IN_CONFIG(access.address_rate), .initial = "0",
        .help = "Records that may come of one address (of IPv6: of one network of 64 bits) over HTTP and MQTT, whoever sends them. Of http.trusted_proxies the client counts that X-Forwarded-For names; where it names none, nobody."},

    {"admin.listen", OPTION_ADDRESS, .offset = IN_CONFIG(admin.listen), .initial = "127.0.0.1:8081",
        .help = "Where /healthz, /readyz and /metrics are served, and /reload is taken; empty: nowhere. Beyond loopback needs admin.tls.client_ca."},
    LISTENER_TLS("admin.tls", admin.tls),

    {"http.listen", OPTION_ADDRESSES, .offset = IN_CONFIG(http.listen), .initial = "127.0.0.1:8080",
        .help = "Where records are accepted. Beyond loopback needs access.credentials or http.anonymous."},
    {"http.anonymous", OPTION_BOOL, .offset = IN_CONFIG(http.anonymous), .initial = "false",
        .help = "Whether everybody who reaches http.listen may write; with access.credentials: also those who show none."},
    LISTENER_TLS("http.tls", http.tls),
    {"http.tls.max_handshakes", COUNT("handshakes", 1, 100000), .offset = IN_CONFIG(http.tls.max_handshakes), .initial = "1000",
        .help = "Most connections of a thread that shake hands; for a further one that which has kept us waiting longest is ended."},
    {"http.threads", COUNT("threads", 1, 64), .zero = "half as many as there are processors, at least 1 and at most 8", .offset = IN_CONFIG(http.threads), .initial = "0",
        .help = "Threads that serve HTTP connections, which the kernel shares out among them."},
    {"http.max_body", SIZE(KIB, 256 * MIB), .offset = IN_CONFIG(http.max_body), .initial = "16MiB",
        .bound = {OPTION_AT_MOST, "journal.segment_size", 1, 4},
        .help = "Largest body of a request, as sent and unpacked."},
    {"http.max_record", SIZE(1, 256 * MIB), .offset = IN_CONFIG(http.max_record), .initial = "900KiB",
        .bound = {OPTION_AT_MOST, "http.max_body", 1, 1},
        .help = "Largest record."},
    {"http.max_records", COUNT("records", 1, 10000000), .offset = IN_CONFIG(http.max_records), .initial = "100000",
        .help = "Most records in one request."},
    {"http.max_connections", COUNT("connections", 1, 1000000), .offset = IN_CONFIG(http.max_connections),
        .initial = "4000", .help = "Most connections at once. With one thread and one address further ones wait to be accepted, else they are told 503."},
    {"http.max_connections_per_address", COUNT("connections", 1, 1000000), .zero = "as many as there may be", .offset = IN_CONFIG(http.max_connections_per_address), .initial = "1000",
        .help = "Most connections from one address (of IPv6: from one network of 64 bits); the next one is told 503."},
    {"http.trusted_proxies", TEXTS("loopback, addresses, or networks as 10.0.0.0/8"), .offset = IN_CONFIG(http.trusted_proxies), .initial = "loopback",
        .help = "Where the limits of an address do not count, because many clients come from there."},
    {"http.max_in_flight", SIZE(KIB, 64 * GIB), .offset = IN_CONFIG(http.max_in_flight), .initial = "32MiB",
        .bound = {OPTION_AT_LEAST, "http.max_body", 4, 3}, /* a larger body would wait for ever beside those that arrive in one piece */
        .help = "Most bytes of bodies held in memory, and of what unpacks them, all requests together; a quarter of it for those that arrive in one piece with their head, so the largest body fits into the rest."},
    {"http.max_in_flight_per_address", SIZE(KIB, 64 * GIB), .zero = "no limit but that of all", .offset = IN_CONFIG(http.max_in_flight_per_address), .initial = "8MiB",
        .help = "Most of these bytes for bodies from one address that have not yet come to their end; a further one waits."},
    {"http.head_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(http.head_timeout), .initial = "10s",
        .help = "How long the head of a request may take."},
    {"http.idle_timeout", TIME(MILLISECOND, DAY), .offset = IN_CONFIG(http.idle_timeout), .initial = "60s",
        .help = "How long a connection may wait for its next request."},
    {"http.body_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(http.body_timeout), .initial = "10s",
        .help = "How long a body may come slower than http.min_rate."},
    {"http.min_rate", SIZE(1, GIB), .offset = IN_CONFIG(http.min_rate), .initial = "1KiB",
        .help = "Bytes per second that a body has to make on average after http.body_timeout."},
    {"http.commit_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(http.commit_timeout), .initial = "30s",
        .help = "How long the journal may take before the answer is 504, outcome unknown."},
    {"http.delivery_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(http.delivery_timeout), .initial = "30s",
        .help = "How long a request with Penstock-Ack: delivered waits for the outlets, then the answer is 202: in the journal, not yet delivered. A lake delivers when a file is rolled, so it has to be longer than lake.roll.every; a client has to wait longer than this."},
    {"http.max_deliveries", COUNT("requests", 1, 100000), .offset = IN_CONFIG(http.max_deliveries), .initial = "1000",
        .help = "Most requests that wait for their delivery, each on one of http.max_connections; the next one is told 503."},
    {"http.max_deliveries_per_address", COUNT("requests", 1, 100000), .zero = "no limit but that of all", .offset = IN_CONFIG(http.max_deliveries_per_address), .initial = "250",
        .help = "Most of these from one address; its next one is told 503."},
    {"http.idempotency.max_keys", COUNT("keys", 1, 1000000), .offset = IN_CONFIG(http.idempotency.max_keys), .initial = "1000000",
        .help = "Most keys of the header Idempotency-Key that are kept with their answers, and not more than fit into 1/32 of journal.segment_size: 23,000 of 64MiB. A new one takes the place of the oldest."},
    {"http.idempotency.keep", TIME(SECOND, 30 * DAY), .offset = IN_CONFIG(http.idempotency.keep), .initial = "24h",
        .help = "How long a key is kept: a request that is repeated later is a new one."},

    {"mqtt.listen", OPTION_ADDRESSES, .zero = "nowhere", .offset = IN_CONFIG(mqtt.listen), .initial = "127.0.0.1:1883",
        .help = "Where MQTT publishers are accepted. Beyond loopback needs access.credentials or mqtt.anonymous."},
    {"mqtt.anonymous", OPTION_BOOL, .offset = IN_CONFIG(mqtt.anonymous), .initial = "false",
        .help = "Whether everybody who reaches mqtt.listen may publish; with access.credentials: also those who show none."},
    LISTENER_TLS("mqtt.tls", mqtt.tls),
    {"mqtt.tls.max_handshakes", COUNT("handshakes", 1, 100000), .offset = IN_CONFIG(mqtt.tls.max_handshakes), .initial = "1000",
        .help = "Most connections of a thread that shake hands; for a further one that which has kept us waiting longest is ended."},
    {"mqtt.threads", COUNT("threads", 1, 64), .offset = IN_CONFIG(mqtt.threads), .initial = "1",
        .help = "Threads that serve MQTT connections; each client id belongs to one of them."},
    {"mqtt.topics", MAP(option_topics, "TOPIC PATTERN: a stream"), .least = 1, .offset = IN_CONFIG(mqtt.topics), .initial = "",
        .help = "Which stream a topic belongs to; {NAME} and + stand for one level, # for the rest. Empty: readings/{sensor_id}."},
    {"mqtt.unmapped", WORDS("dead-letter refuse"), .offset = IN_CONFIG(mqtt.unmapped), .initial = "dead-letter",
        .help = "What becomes of a message whose topic no pattern matches."},
    {"mqtt.max_packet", SIZE(KIB, 256 * MIB), .offset = IN_CONFIG(mqtt.max_packet), .initial = "1MiB",
        .bound = {OPTION_AT_MOST, "journal.segment_size", 1, 4},
        .help = "Largest packet; a larger one ends its connection."},
    {"mqtt.max_records", COUNT("records", 1, 10000000), .offset = IN_CONFIG(mqtt.max_records), .initial = "100000",
        .help = "Most records in one message."},
    {"mqtt.max_connections", COUNT("connections", 1, 1000000), .offset = IN_CONFIG(mqtt.max_connections),
        .initial = "10000", .help = "Most connections at once."},
    {"mqtt.max_in_flight", COUNT("messages", 1, 65535), .offset = IN_CONFIG(mqtt.max_in_flight), .initial = "1024",
        .help = "Most messages of one connection that wait for their acknowledgement (Receive Maximum)."},
    {"mqtt.max_unacknowledged", SIZE(64 * KIB, 64 * GIB), .offset = IN_CONFIG(mqtt.max_unacknowledged), .initial = "16MiB",
        .bound = {OPTION_AT_LEAST, "mqtt.max_packet", 4, 1},
        .help = "Most bytes of packets held in memory, all connections together."},
    {"mqtt.max_topic_aliases", COUNT("aliases", 0, 65535), .offset = IN_CONFIG(mqtt.max_topic_aliases), .initial = "32",
        .help = "Topic aliases that a connection may use (MQTT 5)."},
    {"mqtt.max_keep_alive", TIME(SECOND, 18 * HOUR), .offset = IN_CONFIG(mqtt.max_keep_alive), .initial = "10min",
        .help = "Longest keep alive; MQTT 5 clients that ask for more, or none, are told this one."},
    {"mqtt.connect_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(mqtt.connect_timeout), .initial = "10s",
        .help = "How long a new connection may take to say CONNECT."},
    {"mqtt.packet_timeout", TIME(MILLISECOND, HOUR), .offset = IN_CONFIG(mqtt.packet_timeout), .initial = "60s",
        .help = "How long a packet may take from its first byte to its last."},
    {"mqtt.max_sessions", COUNT("sessions", 0, 1000000), .offset = IN_CONFIG(mqtt.max_sessions), .initial = "10000",
        .help = "Most sessions that outlive their connection."},
    {"mqtt.max_session_expiry", TIME(0, 365 * DAY), .offset = IN_CONFIG(mqtt.max_session_expiry), .initial = "7d",
        .help = "Longest that a session is kept without a connection."},

    {"mqtt.subscribe.*.url", TEXT("mqtt://HOST, mqtts://HOST, with :PORT when it is another than 1883 or 8883"),
        .offset = IN_SUBSCRIPTION(url), .initial = "",
        .help = "A broker whose messages are taken. What it acknowledges to a publisher and then loses is lost: the README says what a stock mosquitto loses."},
    {"mqtt.subscribe.*.filters", TEXTS("topic filters, $$share/GROUP/FILTER for a shared subscription"),
        .offset = IN_SUBSCRIPTION(filters), .initial = "",
        .help = "What is subscribed to, at QoS 1. mqtt.topics says which stream a message belongs to; unmapped ones are dead letters here, whatever mqtt.unmapped says."},
    {"mqtt.subscribe.*.version", WORDS("3.1.1 5"), .offset = IN_SUBSCRIPTION(version), .initial = "5",
        .help = "Version of MQTT that is spoken."},
    {"mqtt.subscribe.*.client_id", TEXT("1 to 256 bytes"), .offset = IN_SUBSCRIPTION(client_id), .initial = "",
        .help = "Client id, by which the broker knows the session again: no other client may have it. Empty: gateway.id, a dash and the name of this entry."},
    {"mqtt.subscribe.*.user", TEXT("a user"), .offset = IN_SUBSCRIPTION(user), .initial = "",
        .help = "User name; empty: none."},
    {"mqtt.subscribe.*.password_file", TEXT("a file"), .offset = IN_SUBSCRIPTION(password_file), .initial = "",
        .help = "File that holds the user's password; it is read again for every connection."},
    {"mqtt.subscribe.*.tls.ca", TEXT("a file"), .offset = IN_SUBSCRIPTION(tls.ca), .initial = "",
        .help = "Certificates (PEM) of the authorities that the broker's is held against; empty: those of the system."},
    {"mqtt.subscribe.*.tls.certificate", TEXT("a file"), .offset = IN_SUBSCRIPTION(tls.certificate), .initial = "",
        .help = "Certificate (PEM, with its chain) that is shown to the broker,"},
    {"mqtt.subscribe.*.tls.key", TEXT("a file"), .offset = IN_SUBSCRIPTION(tls.key), .initial = "",
        .help = "and its private key (PEM, without a passphrase)."},
    {"mqtt.subscribe.*.keep_alive", TIME(10 * SECOND, 18 * HOUR), .offset = IN_SUBSCRIPTION(keep_alive), .initial = "60s",
        .help = "Keep alive. The broker hangs up after 1.5 times that without a word, and nothing is said while a batch is not durable; so at least twice what a commit may take."},
    {"mqtt.subscribe.*.session_expiry", TIME(SECOND, 36500 * DAY), .zero = "never", .offset = IN_SUBSCRIPTION(session_expiry),
        .initial = "7d", .help = "How long the broker is asked to keep the session and its messages while the gateway is away (MQTT 5; for 3.1.1 the broker decides)."},
    {"mqtt.subscribe.*.window", COUNT("messages", 1, 65535), .offset = IN_SUBSCRIPTION(window), .initial = "1000",
        .help = "Messages that the broker may send ahead of their acknowledgement (MQTT 5: Receive Maximum): at least messages per second x seconds of a commit. The broker's own limit counts, too (mosquitto: max_inflight_messages, 20)."},
    {"mqtt.subscribe.*.batch", COUNT("messages", 1, 100000), .offset = IN_SUBSCRIPTION(batch), .initial = "2000",
        .help = "Most messages that are made durable, and then acknowledged, together."},
    {"mqtt.subscribe.*.reconnect.least", TIME(10 * MILLISECOND, HOUR), .offset = IN_SUBSCRIPTION(reconnect.least), .initial = "1s",
        .help = "Pause before a lost broker is tried again; it doubles with every failure, a random part of it is left out,"},
    {"mqtt.subscribe.*.reconnect.most", TIME(10 * MILLISECOND, DAY), .offset = IN_SUBSCRIPTION(reconnect.most), .initial = "30s",
        .help = "up to this one."},

    {"files.*.watch", TEXTS("paths with *, ?, [a-z], ** or {NAME} in them"), .offset = IN_WATCH(watch), .initial = "",
        .help = "Files whose lines are read as they are written; ** stands for any directories, {NAME} for part of a name that becomes the key or a label. Rotated files are read to their end under any name in their directory."},
    {"files.*.spool", TEXTS("directories, or paths with *, ?, [a-z], ** or {NAME} in them"), .offset = IN_WATCH(spool), .initial = "",
        .help = "Instead of watch: directories that complete files are put into, each of which is taken once, to its end. A directory means what lies in it, DIRECTORY/** also what lies further below."},
    {"files.*.exclude", TEXTS("paths with *, ?, [a-z], ** or {NAME} in them"), .offset = IN_WATCH(exclude), .initial = "",
        .help = "Files that are left out; those called .*, *.tmp, *.part and *~ always are."},
    {"files.*.stream", TEXT("a stream"), .offset = IN_WATCH(stream), .initial = "",
        .help = "Stream of json or text that each line goes to."},
    {"files.*.read_from", TEXT("beginning, end, or a time as 2026-01-31T12:00:00Z"), .least = 1, .offset = IN_WATCH(read_from), .initial = "beginning",
        .help = "Where files are read from that are there when the watch is run for the first time: those that were written last before this time count as read. Later ones are read from their beginning."},
    {"files.*.max_line", SIZE(KIB, 16 * MIB), .offset = IN_WATCH(max_line), .initial = "1MiB",
        .bound = {OPTION_AT_MOST, "journal.segment_size", 1, 8},
        .help = "Longest line;"},
    {"files.*.long_lines", WORDS("split truncate dead-letter"), .offset = IN_WATCH(long_lines), .initial = "split",
        .help = "and whether a longer one becomes several records, is cut off behind max_line, or goes to the dead letters, in parts."},
    {"files.*.encoding", WORDS("utf-8 utf-16 utf-16le utf-16be latin-1"), .offset = IN_WATCH(encoding), .initial = "utf-8",
        .help = "Of the files' bytes; the records are UTF-8. A byte order mark at a file's beginning is left out, and says the order of UTF-16; without one files are read only where the order is said here. max_line counts bytes of the file."},
    {"files.*.invalid", WORDS("pass replace fail"), .offset = IN_WATCH(invalid), .initial = "pass",
        .help = "What becomes of bytes that are nothing in that encoding: they are passed on as they are, U+FFFD stands for them, or their line goes to the dead letters."},
    {"files.*.multiline.preset", WORDS("none java python go"), .offset = IN_WATCH(multiline.preset), .initial = "none",
        .help = "Whether the lines of a stack trace are one record: what the JVM, Python or Go prints when an exception or a panic ends something."},
    {"files.*.multiline.start", TEXT("a pattern (PCRE2)"), .offset = IN_WATCH(multiline.start), .initial = "",
        .help = "Instead of a preset: a record begins with each line that this pattern is found in, as in ^[0-9]{4}-."},
    {"files.*.multiline.continue", TEXT("a pattern (PCRE2)"), .offset = IN_WATCH(multiline.next), .initial = "",
        .help = "Instead of a preset: lines that this pattern is found in go on with the record before them, as in ^[[:space:]]. With start they go on with one that began there, and what neither is found in is a record by itself."},
    {"files.*.multiline.timeout", TIME(MILLISECOND, HOUR), .offset = IN_WATCH(multiline.timeout), .initial = "5s",
        .help = "How long nothing more may have come behind the last line of such a record until it counts as whole. What comes later is another record."},
    {"files.*.multiline.max_lines", COUNT("lines", 1, 1000000), .offset = IN_WATCH(multiline.max_lines), .initial = "500",
        .help = "Most lines of a record; for one that has more, or more than max_line bytes, long_lines says what becomes of it, cut between two lines."},
    {"files.*.pattern", TEXT("a pattern (PCRE2)"), .offset = IN_WATCH(pattern), .initial = "",
        .help = "Looked for in each record of a stream that wants it: what its group (?<NAME>...) stands for is line:NAME, for the key, labels and the time."},
    {"files.*.scan", TIME(100 * MILLISECOND, HOUR), .offset = IN_WATCH(scan), .initial = "10s",
        .help = "Time between two looks at the directories, for what their events do not tell."},
    {"files.*.events", OPTION_BOOL, .offset = IN_WATCH(events), .initial = "true",
        .help = "Whether directories are watched for events (inotify); without them each look finds what is new."},
    {"files.*.rotate_wait", TIME(0, HOUR), .offset = IN_WATCH(rotate_wait), .initial = "5s",
        .help = "How long nothing more may have come to a rotated or deleted file until it counts as ended: a last line without its line break is taken then."},
    {"files.*.idle", TIME(MILLISECOND, DAY), .zero = "never", .offset = IN_WATCH(idle), .initial = "0",
        .help = "How long a line without its line break may stand at the end of a file until it is taken as it is."},
    {"files.*.close_after", TIME(SECOND, DAY), .offset = IN_WATCH(close_after), .initial = "5min",
        .help = "Files to which nothing more has come for this long are closed until something does."},
    {"files.*.rate", SIZE(KIB, TIB), .zero = "as fast as it goes", .offset = IN_WATCH(rate), .initial = "0",
        .help = "Bytes that are read of all files together in a second, on average: one turn is up to 1 MiB, or max_line."},
    {"files.*.max_open", COUNT("files", 1, 65536), .offset = IN_WATCH(max_open), .initial = "1024",
        .help = "Most files that are open at once; for a further one the least recently read is closed."},
    {"files.*.follow_symlinks", OPTION_BOOL, .offset = IN_WATCH(follow_symlinks), .initial = "false",
        .help = "Whether symbolic links are followed, also out of the directory, as the logs of containers need it."},
    {"files.*.hard_links", OPTION_BOOL, .offset = IN_WATCH(hard_links), .initial = "false",
        .help = "Whether files are read that have another name somewhere: whoever may write in the directory can link any file there."},
    {"files.*.records", WORDS("lines csv file"), .offset = IN_WATCH(records), .initial = "lines",
        .help = "What a record is: a line; a row of CSV (RFC 4180), as an object with the names in the file's first row, for a stream of json; or, in a spool, the file, of at most max_line bytes, for a stream of bytes or (one document, or an array of records) of json."},
    {"files.*.delimiter", TEXT("one ASCII character, or \\t for a tab"), .least = 1, .offset = IN_WATCH(delimiter), .initial = ",",
        .help = "What stands between the fields of a row of CSV."},
    {"files.*.numbers", OPTION_BOOL, .offset = IN_WATCH(numbers), .initial = "false",
        .help = "Whether fields of CSV that are numbers of JSON, and stand there without quotes, become numbers; else all values are strings."},
    {"files.*.complete", WORDS("closed quiet marker"), .offset = IN_WATCH(complete), .initial = "closed",
        .help = "When a file in a spool counts as complete: closed by its writer or moved there (of which only events tell: else as quiet), quiet for a time, or when a file with its name and the marker is there. What comes later all the same is read on."},
    {"files.*.quiet", TIME(MILLISECOND, DAY), .offset = IN_WATCH(quiet), .initial = "5s",
        .help = "How long a file must not have changed."},
    {"files.*.marker", TEXT("what a name ends with"), .least = 1, .offset = IN_WATCH(marker), .initial = ".done",
        .help = "What follows a file's name in that of its marker."},
    {"files.*.order", WORDS("time name"), .offset = IN_WATCH(order), .initial = "time",
        .help = "Which of several files in a spool is read first: the one written longest ago, or the first by its path."},
    {"files.*.done", WORDS("keep archive rename delete"), .offset = IN_WATCH(done), .initial = "keep",
        .help = "What becomes of a file in a spool when it was read: it stays, moves to the archive, gets the suffix, or is deleted."},
    {"files.*.after", WORDS("journal outlets"), .offset = IN_WATCH(after), .initial = "journal",
        .help = "And when: as soon as the journal has all of it, or when every outlet is done with it, too."},
    {"files.*.archive", TEXT("a directory below the spool"), .least = 1, .offset = IN_WATCH(archive), .initial = "archive",
        .help = "Directory in the spool in whose directories of a day (2026-01-31, UTC) such files are put, with their path."},
    {"files.*.failed", TEXT("a directory below the spool"), .least = 1, .offset = IN_WATCH(failed), .initial = "failed",
        .help = "Directory in the spool for files that cannot be taken, each with the reason in NAME.reason beside it."},
    {"files.*.suffix", TEXT("what a name ends with"), .least = 1, .offset = IN_WATCH(suffix), .initial = ".taken",
        .help = "What such files are renamed with."},

    {"kafka.properties", MAP(option_properties, "PROPERTY: its value"), .offset = IN_CONFIG(kafka.properties),
        .initial = "", .help = "Properties of librdkafka by its own names; bootstrap.servers alone is enough to write to Kafka."},
    {"kafka.files", MAP(option_property_files, "PROPERTY: a file"), .least = 1, .offset = IN_CONFIG(kafka.files),
        .initial = "", .help = "Files that hold the values of further properties, for passwords and keys."},
    {"kafka.delivery", WORDS("at-least-once exactly-once"), .offset = IN_CONFIG(kafka.delivery), .initial = "at-least-once",
        .help = "Whether a record may come twice after a crash, or readers of committed records see it exactly once."},
    {"kafka.transaction_every", TIME(50 * MILLISECOND, SECOND), .offset = IN_CONFIG(kafka.transaction_every), .initial = "250ms",
        .help = "With exactly-once: time for which records are gathered in a transaction."},
    {"kafka.max_topics", COUNT("topics", 1, 100000), .offset = IN_CONFIG(kafka.max_topics), .initial = "1000",
        .help = "Most topics that records may go to; one for a further topic is a dead letter."},
    {"kafka.unwritable_topic", WORDS("hold dead-letter"), .offset = IN_CONFIG(kafka.unwritable_topic),
        .initial = "hold",
        .help = "Whether a record whose topic is missing or forbidden waits, or is a dead letter."},
    {"kafka.hold_retry", TIME(100 * MILLISECOND, HOUR), .offset = IN_CONFIG(kafka.hold_retry), .initial = "10s",
        .help = "Time between two looks at a topic whose records wait."},
    {"kafka.create_topics.partitions", COUNT("partitions", 1, 100000), .zero = "never",
        .offset = IN_CONFIG(kafka.create_topics.partitions), .initial = "0",
        .help = "A missing topic is created with so many partitions;"},
    {"kafka.create_topics.replication", COUNT("replicas", 1, 100), .zero = "the broker's default",
        .offset = IN_CONFIG(kafka.create_topics.replication), .initial = "0",
        .help = "and each of them has so many replicas."},

    {"lake.enabled", OPTION_BOOL, .offset = IN_CONFIG(lake.enabled), .initial = "true",
        .help = "Whether records are written to a lake."},
    {"lake.url", TEXT("a directory, or file:///DIRECTORY"), .offset = IN_CONFIG(lake.url), .initial = "",
        .help = "Where the lake's files appear; empty: gateway.data/lake."},
    {"lake.max_open_files", COUNT("files", 1, 65536), .offset = IN_CONFIG(lake.max_open_files), .initial = "4096",
        .help = "Most files written at once; above it the oldest is published early."},
    {"lake.roll.size", SIZE(1, TIB), .zero = "never", .offset = IN_CONFIG(lake.roll.size), .initial = "128MiB",
        .help = "A file is published when it is this large,"},
    {"lake.roll.every", TIME(MILLISECOND, 30 * DAY), .zero = "never", .offset = IN_CONFIG(lake.roll.every),
        .initial = "10s", .help = "or was opened this long ago,"},
    {"lake.roll.records", COUNT("records", 1, UINT64_C(1000000000000)), .zero = "never",
        .offset = IN_CONFIG(lake.roll.records), .initial = "0", .help = "or holds this many records,"},
    {"lake.roll.idle", TIME(MILLISECOND, 30 * DAY), .zero = "never", .offset = IN_CONFIG(lake.roll.idle),
        .initial = "0", .help = "or got no record for this long."},

    {"dead_letters.quota", SIZE(64 * KIB, TIB), .offset = IN_CONFIG(dead_letters.quota), .initial = "64MiB",
        .help = "Disk space for the dead letters of each stream; when it is used up the stream's sources wait."},

    {"log.level", WORDS("debug info warn error"), .offset = IN_CONFIG(log.level), .initial = "info",
        .help = "Least important events that are logged."},
    {"log.format", WORDS("text json"), .offset = IN_CONFIG(log.format), .initial = "text",
        .help = "Form of a log line."},

    {"streams.*.format", WORDS("json text bytes"), .offset = IN_STREAM(format), .initial = "json",
        .help = "What a body is when its Content-Type does not say."},
    {"streams.*.key", TEXT("a JSON pointer, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME, file:NAME or line:NAME"), .offset = IN_STREAM(key),
        .initial = "", .help = "Where a record's key is found; empty: none but the one in the URL."},
    {"streams.*.labels", MAP(option_labels, "NAME: a JSON pointer, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME, file:NAME or line:NAME"), .least = 1,
        .offset = IN_STREAM(labels), .initial = "",
        .help = "Named values that templates and headers may use, each found like the key."},
    {"streams.*.dedupe.sequence", TEXT("a JSON pointer, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME, file:NAME or line:NAME"), .offset = IN_STREAM(dedupe.sequence),
        .initial = "", .help = "Where a number is found that the sender counts up for each record of a key, so that a record that is sent again is stored once; empty: all are stored. Needs a key."},
    {"streams.*.dedupe.old", WORDS("store drop"), .offset = IN_STREAM(dedupe.old), .initial = "store",
        .help = "What becomes of a record whose number is more than 63 below the highest one of its key, so that nobody can tell whether it came before: store it (perhaps twice), or drop it (it may be lost: for senders that wait for each answer before they send on)."},
    {"streams.*.time.field", TEXT("a JSON pointer or line:NAME"), .offset = IN_STREAM(time.field), .initial = "",
        .help = "Where a record's own time is found; empty: the time it was received counts."},
    {"streams.*.time.format", TEXT("a format with %Y, %m or %b, %d, %H, %M and more"), .offset = IN_STREAM(time.format), .initial = "",
        .help = "How times are written, as in %Y-%m-%d %H:%M:%S,%f or %d/%b/%Y:%H:%M:%S %z; empty: RFC 3339, or numbers of seconds or milliseconds. Without a year it is the nearest one."},
    {"streams.*.time.zone", TEXT("UTC, local, or an offset such as +01:00"), .least = 1, .offset = IN_STREAM(time.zone), .initial = "UTC",
        .help = "Where the clock stood that such a time was read from, unless it says so itself (%z); local: the machine's time zone."},
    {"streams.*.time.past", TIME(0, 36500 * DAY), .offset = IN_STREAM(time.past), .initial = "30d",
        .help = "A record's time that is older is not used,"},
    {"streams.*.time.future", TIME(0, 36500 * DAY), .offset = IN_STREAM(time.future), .initial = "1h",
        .help = "nor one that lies further ahead."},
    {"streams.*.key_rate", COUNT("records per second", 1, 1000000000), .zero = "as many as come", .offset = IN_STREAM(key_rate), .initial = "0",
        .help = "Records that may come of one key over HTTP and MQTT, whoever sends them; those of files and of the brokers of mqtt.subscribe are not counted."},
    {"streams.*.schema", TEXT("reading.v1, or a file that ends in .json"), .offset = IN_STREAM(schema), .initial = "",
        .help = "JSON Schema that each record is held against, one of penstock's own or a file's; empty: none. For streams of json."},
    {"streams.*.schema_invalid", WORDS("refuse pass"), .offset = IN_STREAM(schema_invalid), .initial = "refuse",
        .help = "What becomes of a record that the schema does not allow: told to its sender (422) or a dead letter, or passed on and marked."},
    {"streams.*.topics", TEXTS("topics with {stream}, {key}, {time:FORMAT} or {LABEL} in them"),
        .offset = IN_STREAM(topics), .initial = "",
        .help = "Kafka topics that each record goes to; empty: the stream does not go to Kafka."},
    {"streams.*.value", WORDS("payload envelope"), .offset = IN_STREAM(value), .initial = "payload",
        .help = "What Kafka gets as the value: the payload as it came in, or a JSON object around it."},
    {"streams.*.headers", MAP(option_headers, "HEADER: the name of a label"), .least = 1, .offset = IN_STREAM(headers),
        .initial = "", .help = "Headers of the Kafka record, each with the value of one of the labels."},
    {"streams.*.ack.level", WORDS("fsync memory delivered"), .offset = IN_STREAM(ack.level), .initial = "fsync",
        .help = "What a POST that has no Penstock-Ack header waits for: the journal's fsync, its memory, or the outlets."},
    {"streams.*.ack.outlets", TEXTS("kafka, lake"), .offset = IN_STREAM(ack.outlets), .initial = "",
        .help = "The outlets that delivered means; empty: kafka for a stream with topics, else the lake."},
    {"streams.*.lake.path", TEXT("a path with {stream}, {key}, {time:FORMAT}, {time_source}, {schema_result} or {LABEL} in it"),
        .least = 1, .offset = IN_STREAM(lake.path), .initial = "{stream}", .help = "Directory of a record in the lake."},
};
/* clang-format on */

const size_t option_count = sizeof option_table / sizeof *option_table;

const struct option_collection option_collections[] = {
    {"mqtt.subscribe", "subscription", ELEMENTS(config_subscription, mqtt.subscribe, mqtt.subscribe_count),
        .most = OPTION_SUBSCRIPTIONS_MAX, .list = true},
    {"files", "watch", ELEMENTS(config_watch, files, files_count), .most = OPTION_WATCHES_MAX, .list = true},
    {"streams", "stream", ELEMENTS(config_stream, streams, streams_count), .most = OPTION_STREAMS_MAX},
};

const size_t option_collections_count = sizeof option_collections / sizeof *option_collections;

const struct option_stream_default option_stream_defaults[] = {
    {"readings", "streams.*.key", "/sensor_id"},
    {"unorganized", "streams.*.format", "text"},
};

const size_t option_stream_defaults_count = sizeof option_stream_defaults / sizeof *option_stream_defaults;
