/* state: what a SQLSTATE means for an import; see connection.h
 *
 * PostgreSQL's documentation, "PostgreSQL Error Codes". The first row that the code starts with counts.
 */
#include <string.h>

#include "table/postgres/connection.h"

static const struct {
    const char *start;
    enum error_kind kind;
    enum database_trouble trouble;
} state_table[] = {
    {"08", ERROR_RETRY, DATABASE_LOST}, /* connection exceptions */
    {"25P02", ERROR_FATAL, DATABASE_REFUSED}, /* a statement in a failed transaction */
    {"25P03", ERROR_RETRY, DATABASE_LOST}, /* idle in transaction for too long */
    {"25P04", ERROR_RETRY, DATABASE_LOST}, /* transaction took too long */
    {"22", ERROR_REJECT, DATABASE_REFUSED}, /* a value */
    {"40", ERROR_RETRY, DATABASE_CANCELLED}, /* deadlock; conflict with recovery on a standby */
    {"53300", ERROR_RETRY, DATABASE_BUSY}, /* too many connections */
    {"53", ERROR_RETRY, DATABASE_CANCELLED}, /* the server's disk or memory is full */
    {"54", ERROR_REJECT, DATABASE_REFUSED}, /* a limit: a row that is too large for a message */
    {"55P03", ERROR_RETRY, DATABASE_BUSY}, /* a lock */
    {"57014", ERROR_RETRY, DATABASE_CANCELLED}, /* somebody cancelled it */
    {"57P", ERROR_RETRY, DATABASE_LOST}, /* shut down, crashed, not up yet, idle for too long */
    {"58", ERROR_RETRY, DATABASE_CANCELLED}, /* the server's disk */
    {"72", ERROR_RETRY, DATABASE_GONE}, /* snapshot too old */
};

void pg_state_judge(const char *state, enum error_kind *ret_kind, enum database_trouble *ret_trouble)
{
    *ret_kind = ERROR_FATAL;
    *ret_trouble = DATABASE_REFUSED;
    for (size_t i = 0; i < sizeof state_table / sizeof *state_table; i++) {
        if (strncmp(state, state_table[i].start, strlen(state_table[i].start)) != 0)
            continue;
        *ret_kind = state_table[i].kind;
        *ret_trouble = state_table[i].trouble;
        return;
    }
}
