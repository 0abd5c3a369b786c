/* error: why a call failed and what the caller should do about it.
 *
 * A function that can fail returns 0 or -1 and fills an error that the caller owns. Nothing is allocated, so an
 * error can be reported when memory is gone; a text that is too long is cut, between two characters. The text names object, operation and cause:
 * "journal DIR: fsync: No space left on device". Only the edges (main, pipeline, a thread's body) log it.
 */
#ifndef PENSTOCK_BASE_ERROR_H
#define PENSTOCK_BASE_ERROR_H

#define ERROR_TEXT_SIZE 480

enum error_kind {
    ERROR_NONE,
    ERROR_RETRY, /* nothing was taken; back off and try again (HTTP 503) */
    ERROR_REJECT, /* this input can never be taken (HTTP 4xx, dead letter) */
    ERROR_FATAL, /* this part has to stop */
};

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_SIZE];
};

/* Both always return -1, so that a failure is one line at the call site. error_wrap() puts "context: " before the
 * text and keeps the kind. @thread any (the caller owns the error) */
int error_set(struct error *error, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error_set() with ": " and the text of errno behind it. */
int error_set_errno(struct error *error, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
