/* mqtt_body: see mqtt_body.h */
#include "source/mqtt_body.h"

#include "base/utf8.h"
#include "source/http_type.h"

bool mqtt_body_form(struct intake *intake, const struct stream *stream, const struct mqtt_publish *publish,
    struct slice body, enum decode_form *ret_form)
{
    const struct slice type = publish->properties.content_type;

    if (type.length)
        return http_type_form(type, stream->format, ret_form) == 0;
    *ret_form = intake_guess(intake, stream, body);
    return true;
}

bool mqtt_body_is_utf8(struct slice body)
{
    for (size_t i = 0; i < body.length;) {
        const size_t length = utf8_sequence(body.data + i, body.length - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}
