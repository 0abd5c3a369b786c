/* page: what the admin listener answers, apart from how it is sent. Inside of admin/ only. @thread admin */
#ifndef PENSTOCK_ADMIN_PAGE_H
#define PENSTOCK_ADMIN_PAGE_H

#include "access/access.h"
#include "base/bytes.h"
#include "base/error.h"
#include "journal/journal.h"

struct page {
    unsigned status;
    const char *allow; /* of 405: the methods */
    const char *type;
    struct bytes body;
};

struct page_request {
    struct journal *journal;
    const char *method, *path;
    bool
        from_page; /* a page in somebody's browser asks (the Fetch standard, header Origin), which nobody need have wanted */
    bool elsewhere; /* it is for a host that this is not, and was let in for being here */
    enum access_answer answer; /* to what was shown of who asks */
    const struct grant *grant;
    bool shown; /* a secret was */
};

/* The answer; when it cannot be made, a 500 that says why. The body is the caller's to free. */
void page_make(struct page *page, const struct page_request *request);

#endif
