/* subscriber_dial: a handle of the library, and its connection, made by a thread of their own; see subscriber_internal.h
 *
 * Looking up a name and connecting may take minutes, and the library does both in one call. Whoever is done last with the dial, its thread or
 * the broker's, frees it.
 */
#include <errno.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/file.h"
#include "source/subscriber_internal.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs"
#define DIAL_LEAVE_PAUSE 10 /* milliseconds */
#define DIAL_LEAVE_MOST (3 * CLOCK_SECOND)

struct subscriber_dial {
    struct mosquitto *handle;
    mosquitto_property *properties;
    struct subscriber_url url;
    int keep_alive;
    int ready; /* eventfd */
    atomic_int holders;
    int code; /* of the library; set before `ready` */
    int number; /* errno */
    char log[SUBSCRIBER_TEXT]; /* what the library said first */
};

static void dial_free(struct subscriber_dial *dial)
{
    mosquitto_destroy(dial->handle);
    mosquitto_property_free_all(&dial->properties);
    fd_close(&dial->ready);
    free(dial);
}

static void dial_release(struct subscriber_dial *dial)
{
    if (atomic_fetch_sub(&dial->holders, 1) == 1)
        dial_free(dial);
}

/* ---- the handle -------------------------------------------------------------------------------------------------- */

/* "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed": the first one says what is wrong. */
static void dial_log(struct mosquitto *handle, void *context, int level, const char *text)
{
    struct subscriber_dial *dial = context;

    (void)handle;
    if ((level & (MOSQ_LOG_ERR | MOSQ_LOG_WARNING)) && *dial->log == '\0')
        snprintf(dial->log, sizeof dial->log, "%s", text);
}

static int dial_set_password(
    struct subscriber_dial *dial, const struct config_subscription *from, struct error *error)
{
    cleanup_bytes struct bytes password;

    bytes_init(&password, FILE_VALUE_BUFFER);
    if (*from->user == '\0')
        return 0;
    if (*from->password_file && file_read_value(from->password_file, true, &password, error))
        return -1;
    int code =
        mosquitto_username_pw_set(dial->handle, from->user, *from->password_file ? password.data : NULL);
    if (password.data)
        explicit_bzero(password.data, password.capacity);
    return code ? error_set(error, ERROR_FATAL, "user %s: %s", from->user, mosquitto_strerror(code)) : 0;
}

static int dial_set_tls(
    struct subscriber_dial *dial, const struct config_subscription *from, struct error *error)
{
    const char *certificate = *from->tls.certificate ? from->tls.certificate : NULL;
    const char *key = *from->tls.key ? from->tls.key : NULL;
    int code = MOSQ_ERR_SUCCESS;

    if (!dial->url.tls)
        return 0;
    if (*from->tls.ca)
        code = mosquitto_tls_set(dial->handle, from->tls.ca, NULL, certificate, key, NULL);
    else {
        /* The library takes no certificate of ours without some place of authorities: this one is the system's, too. */
        if (certificate)
            code = mosquitto_tls_set(dial->handle, NULL, SYSTEM_AUTHORITIES, certificate, key, NULL);
        if (code == MOSQ_ERR_SUCCESS)
            code = mosquitto_int_option(dial->handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
    }
    return code ? error_set(error, ERROR_FATAL, "a file of tls cannot be read") : 0;
}

/* MQTT 5: what the broker is asked for. */
static int dial_set_session(struct subscriber_dial *dial, const struct subscriber_settings *settings)
{
    int code = mosquitto_int_option(
        dial->handle, MOSQ_OPT_PROTOCOL_VERSION, settings->v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);

    if (!code)
        code = mosquitto_int_option(dial->handle, MOSQ_OPT_RECEIVE_MAXIMUM, (int)settings->from->window);
    if (!code && settings->v5)
        code = mosquitto_property_add_int32(
            &dial->properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, settings->session_expiry);
    return code;
}

static int dial_make(
    struct subscriber_dial *dial, const struct subscriber_settings *settings, struct error *error)
{
    dial->url = settings->url;
    dial->keep_alive = settings->keep_alive;
    dial->ready = eventfd(0, EFD_CLOEXEC);
    if (dial->ready < 0)
        return error_set_errno(error, ERROR_RETRY, "eventfd");
    dial->handle = mosquitto_new(settings->client_id, false, dial);
    if (!dial->handle)
        return error_set_errno(error, ERROR_RETRY, "client id %s", settings->client_id);
    mosquitto_log_callback_set(dial->handle, dial_log);
    int code = dial_set_session(dial, settings);
    if (!code)
        code = mosquitto_int_option(dial->handle, MOSQ_OPT_TCP_NODELAY, 1);
    /* From here on nothing leaves but in mosquitto_loop_write(). */
    if (!code)
        code = mosquitto_threaded_set(dial->handle, true);
    if (code)
        return error_set(error, ERROR_RETRY, "%s", mosquitto_strerror(code));
    return dial_set_password(dial, settings->from, error) || dial_set_tls(dial, settings->from, error) ? -1
                                                                                                       : 0;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------- */

static void *dial_run(void *argument)
{
    struct subscriber_dial *dial = argument;

    errno = 0;
    dial->code = mosquitto_connect_bind_v5(
        dial->handle, dial->url.host, dial->url.port, dial->keep_alive, NULL, dial->properties);
    dial->number = errno;
    ssize_t written = write(dial->ready, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* the first one always finds room */
    dial_release(dial);
    return NULL;
}

static int dial_start_thread(struct subscriber_dial *dial, struct error *error)
{
    pthread_t thread;

    atomic_store(&dial->holders, 2);
    errno = pthread_create(&thread, NULL, dial_run, dial);
    if (errno)
        return error_set_errno(error, ERROR_RETRY, "thread");
    pthread_setname_np(thread, "dial");
    pthread_detach(thread);
    return 0;
}

int subscriber_dial_start(struct subscriber *subscriber)
{
    struct subscriber_dial *dial = calloc(1, sizeof *dial);
    struct error error;

    subscriber->link =
        (struct subscriber_link){.since = subscriber_now(subscriber), .socket = -1, .pair = {-1, -1}};
    if (!dial) {
        subscriber_link_end(subscriber, SUBSCRIBER_FILE, "out of memory");
        return -1;
    }
    dial->ready = -1;
    if (dial_make(dial, &subscriber->settings, &error) || dial_start_thread(dial, &error)) {
        dial_free(dial);
        subscriber_link_end(subscriber, SUBSCRIBER_FILE, "%.200s", error.text);
        return -1;
    }
    subscriber->dial = dial;
    return 0;
}

int subscriber_dial_descriptor(const struct subscriber_dial *dial)
{
    return dial->ready;
}

static void dial_tell_failure(struct subscriber *subscriber, const struct subscriber_dial *dial)
{
    if (dial->code == MOSQ_ERR_TLS)
        subscriber_link_end(subscriber, SUBSCRIBER_TLS, "%s", *dial->log ? dial->log : "TLS cannot be begun");
    else if (dial->code == MOSQ_ERR_EAI)
        subscriber_link_end(
            subscriber, SUBSCRIBER_UNREACHABLE, "%s: %s", dial->url.host, gai_strerror(dial->number));
    else
        subscriber_link_end(subscriber, SUBSCRIBER_UNREACHABLE, "%s",
            dial->code == MOSQ_ERR_ERRNO ? strerror(dial->number) : mosquitto_strerror(dial->code));
}

int subscriber_dial_finish(struct subscriber *subscriber)
{
    struct subscriber_dial *dial = subscriber->dial;
    const int code = dial->code;

    subscriber->dial = NULL;
    if (code == MOSQ_ERR_SUCCESS) {
        subscriber->link.handle = dial->handle;
        dial->handle = NULL;
    } else
        dial_tell_failure(subscriber, dial);
    dial_release(dial);
    return code == MOSQ_ERR_SUCCESS ? 0 : -1;
}

/* A socket that is shut gives up connecting; then the thread ends. It must not be left behind within OpenSSL, which the end of the process
 * takes down; only looking up a name can neither be ended nor waited for. */
void subscriber_dial_leave(struct subscriber *subscriber, int64_t deadline)
{
    struct subscriber_dial *dial = subscriber->dial;
    const int64_t most = subscriber_now(subscriber) + DIAL_LEAVE_MOST;
    const int64_t until = deadline < most ? deadline : most;

    if (!dial)
        return;
    struct pollfd wait = {dial->ready, POLLIN, 0};
    while (poll(&wait, 1, DIAL_LEAVE_PAUSE) == 0 && subscriber_now(subscriber) < until) {
        const int fd = mosquitto_socket(dial->handle);
        if (fd >= 0)
            shutdown(fd, SHUT_RDWR);
    }
    dial_release(dial);
    subscriber->dial = NULL;
}

/* ---- once for all ------------------------------------------------------------------------------------------------- */

/* The library makes ready for TLS with the first connection that wants it, and two threads must not do that at once. So here
 * is one, to ourselves: nobody answers it. */
static int dial_prepare_tls(struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct mosquitto *handle = mosquitto_new("penstock", true, NULL);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)&address, &length) || !handle) {
        mosquitto_destroy(handle);
        return error_set_errno(error, ERROR_FATAL, "MQTT: TLS");
    }
    if (mosquitto_tls_set(handle, NULL, SYSTEM_AUTHORITIES, NULL, NULL, NULL) == MOSQ_ERR_SUCCESS)
        mosquitto_connect(handle, "127.0.0.1", ntohs(address.sin_port), 60);
    mosquitto_destroy(handle);
    return 0;
}

int subscriber_dial_prepare(bool tls, struct error *error)
{
    static bool ready; /* @thread main */

    if (!ready && mosquitto_lib_init() != MOSQ_ERR_SUCCESS)
        return error_set(error, ERROR_FATAL, "MQTT: libmosquitto cannot be initialised");
    ready = true;
    return tls ? dial_prepare_tls(error) : 0;
}
