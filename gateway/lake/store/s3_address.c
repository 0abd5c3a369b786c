/* s3_address: see s3_address.h */
#include "lake/store/s3_address.h"

#include <stdio.h>
#include <string.h>

#include "base/config.h"

static bool address_is_of(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++) {
        const char low = (char)(text[i] | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(text[i] >= '0' && text[i] <= '9') && !strchr(more, text[i]))
            return false;
    }
    return length > 0;
}

/* Components that are no names are refused: what lists directories would not find the files again. */
static bool address_prefix_is_good(const char *prefix)
{
    for (const char *part = prefix; *part;) {
        const size_t length = strcspn(part, "/");
        if (length == 0 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
                return false;
        part += length + (part[length] == '/');
    }
    return true;
}

static int address_of_url(const char *url, struct s3_address *address, struct error *error)
{
    const char *bucket = url + strlen("s3://");
    const size_t length = strcspn(bucket, "/");
    const char *prefix = bucket + length + (bucket[length] == '/');

    if (length < 3 || length > S3_BUCKET_MAX || !address_is_of(bucket, length, ".-_"))
        return error_set(error, ERROR_FATAL,
            "\"%s\": allowed: s3://BUCKET or s3://BUCKET/PREFIX, the bucket of 3 to %d letters, digits, dots "
            "and hyphens",
            url, S3_BUCKET_MAX);
    if (strlen(prefix) > S3_PREFIX_MAX || !address_prefix_is_good(prefix))
        return error_set(error, ERROR_FATAL,
            "\"%s\": allowed behind the bucket: a prefix of at most %d bytes, of names with single slashes "
            "between them",
            url, S3_PREFIX_MAX);
    memcpy(address->bucket, bucket, length);
    const size_t end = strlen(prefix);
    const char *slash = end && prefix[end - 1] != '/' ? "/" : "";
    snprintf(address->prefix, sizeof address->prefix, "%s%s", prefix, slash);
    return 0;
}

/* The host of the endpoint, or Amazon's of the region. */
static int address_of_endpoint(const struct config_lake *config, struct s3_address *address,
    char host[static S3_HOST_MAX + 1], struct error *error)
{
    const char *endpoint = config->s3.endpoint;

    address->tls = strncmp(endpoint, "http://", 7) != 0;
    if (!endpoint[0]) {
        snprintf(host, S3_HOST_MAX + 1, "s3.%s.amazonaws.com", config->s3.region);
        return 0;
    }
    const char *rest = strstr(endpoint, "://");
    size_t length = rest ? strcspn(rest + 3, "/") : 0;
    if ((address->tls && strncmp(endpoint, "https://", 8) != 0) || length > S3_HOST_MAX - S3_BUCKET_MAX - 1 ||
        !rest || !address_is_of(rest + 3, length, ".-_:[]") || strlen(rest + 3 + length) > 1)
        return error_set(error, ERROR_FATAL,
            "\"%s\": allowed: http://HOST:PORT, https://HOST:PORT or, without a port, its usual one",
            endpoint);
    snprintf(host, S3_HOST_MAX + 1, "%.*s", (int)length, rest + 3);
    return 0;
}

/* Amazon wants the bucket in the name of the host, others mostly do not; a name with dots is none that a certificate is for. */
static bool address_is_path_style(const struct config_lake *config, const struct s3_address *address)
{
    if (strcmp(config->s3.path_style, "auto") != 0)
        return strcmp(config->s3.path_style, "always") == 0;
    return config->s3.endpoint[0] || strpbrk(address->bucket, "._");
}

int s3_address_parse(const struct config_lake *config, struct s3_address *ret_address,
    const void **ret_option, struct error *error)
{
    struct s3_address address = {0};
    char host[S3_HOST_MAX + 1];

    *ret_option = &config->url;
    if (address_of_url(config->url, &address, error))
        return -1;
    *ret_option = &config->s3.region;
    if (strlen(config->s3.region) > S3_BUCKET_MAX ||
        !address_is_of(config->s3.region, strlen(config->s3.region), "-_"))
        return error_set(
            error, ERROR_FATAL, "\"%s\": allowed: a region such as eu-central-1", config->s3.region);
    *ret_option = &config->s3.endpoint;
    if (address_of_endpoint(config, &address, host, error))
        return -1;
    *ret_option = &config->s3.kms_key;
    if (config->s3.kms_key[0] && strcmp(config->s3.encryption, "aws:kms") != 0)
        return error_set(error, ERROR_FATAL, "a key, but lake.s3.encryption is not aws:kms");
    address.path_style = address_is_path_style(config, &address);
    const int length = address.path_style
                           ? snprintf(address.host, sizeof address.host, "%s", host)
                           : snprintf(address.host, sizeof address.host, "%s.%s", address.bucket, host);
    if (length < 0 || (size_t)length >= sizeof address.host)
        return error_set(error, ERROR_FATAL, "the name of its host is too long");
    *ret_address = address;
    return 0;
}
