/* percent: see percent.h */
#include "lake/store/percent.h"

int percent_encode(struct slice text, bool keep_slash, struct bytes *out, struct error *error)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        const char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        const bool kept = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                          (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
                          byte == '~' || (byte == '/' && keep_slash);
        if (bytes_add(out, kept ? (const char *)&byte : escape, kept ? 1 : sizeof escape, error))
            return -1;
    }
    return 0;
}
