/* password: slow hashes beside published ones, their text, marks */
#include <criterion/criterion.h>

#include <stdio.h>

#include "access/password.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define COUNT(array) (sizeof array / sizeof *array)

/* Of hunter22, made by Python's hashlib. */
#define SALT "AAECAwQFBgcICQoLDA0ODw=="
#define HASH "xDTA+hlgDvHciIT47K1KpCNFWfHD7XggrccQNTTHwQw="
#define OF_HUNTER "pbkdf2-sha256:10:" SALT ":" HASH
#define MOSQUITTO_HASH \
    "tiUGDb6htdpqSp+p2x6IZfqFOdpWPFHQ5ivKx7ngBkU2QemN/TCgNeZ6w3cApXBLM/piN2JFnXnY/vDwnjFX/w=="
#define OF_MOSQUITTO "$7$101$AAECAwQFBgcICQoL$" MOSQUITTO_HASH

static struct error error;

struct vector {
    enum password_kind kind;
    struct slice password, salt;
    unsigned iterations;
    const char *hash;
};

/* RFC 7914, section 11, its first 32 bytes; RFC 6070's questions with SHA-256 and SHA-512, answered by Python's hashlib.pbkdf2_hmac() */
static const struct vector vectors[] = {
    {PASSWORD_SHA256, SLICE("passwd"), SLICE("salt"), 1,
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
    {PASSWORD_SHA256, SLICE("Password"), SLICE("NaCl"), 80000,
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"},
    {PASSWORD_SHA256, SLICE("password"), SLICE("salt"), 1,
        "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"},
    {PASSWORD_SHA256, SLICE("password"), SLICE("salt"), 2,
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"},
    {PASSWORD_SHA256, SLICE("password"), SLICE("salt"), 4096,
        "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"},
    {PASSWORD_SHA256, SLICE("passwordPASSWORDpassword"), SLICE("saltSALTsaltSALTsaltSALTsaltSALTsalt"), 4096,
        "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1"},
    {PASSWORD_SHA256, SLICE("pass\0word"), SLICE("sa\0lt"), 4096,
        "89b69d0516f829893c696226650a86878c029ac13ee276509d5ae58b6466a724"},
    {PASSWORD_SHA512, SLICE("password"), SLICE("salt"), 1,
        "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
        "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce"},
    {PASSWORD_SHA512, SLICE("password"), SLICE("salt"), 4096,
        "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"
        "143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"},
};

static struct password password_of(const struct vector *vector)
{
    struct password password = {
        .kind = vector->kind, .iterations = vector->iterations, .salt_length = vector->salt.length};

    memcpy(password.salt, vector->salt.data, vector->salt.length);
    for (size_t i = 0; i < strlen(vector->hash) / 2; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(vector->hash + 2 * i, "%2x", &byte), 1);
        password.hash[i] = (unsigned char)byte;
    }
    return password;
}

Test(password, published_hashes)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct password password = password_of(&vectors[i]);
        cr_assert(password_is(&password, vectors[i].password), "%zu", i);
        cr_assert_not(password_is(&password, SLICE("another")), "%zu", i);
        password.hash[31] ^= 1;
        cr_assert_not(password_is(&password, vectors[i].password), "%zu: all of it counts", i);
        password.hash[31] ^= 1;
        password.iterations++;
        cr_assert_not(password_is(&password, vectors[i].password), "%zu", i);
    }
}

Test(password, made)
{
    struct password one, other;
    char longest[PASSWORD_MAX + 1];

    memset(longest, 'x', sizeof longest);
    cr_assert_eq(password_make(&one, SLICE("hunter22"), 1000, &error), 0);
    cr_assert_eq(password_make(&other, SLICE("hunter22"), 1000, &error), 0);
    cr_assert_eq(one.iterations, 1000);
    cr_assert_not(password_same(&one, &other), "each has a salt of its own");
    cr_assert(password_same(&one, &one));
    cr_assert(password_is(&one, SLICE("hunter22")) && password_is(&other, SLICE("hunter22")));
    cr_assert_not(password_is(&one, SLICE("hunter2")));
    cr_assert_not(password_is(&one, SLICE("")));
    cr_assert_eq(password_make(&one, (struct slice){longest, PASSWORD_MAX}, 1, &error), 0);
    cr_assert(password_is(&one, (struct slice){longest, PASSWORD_MAX}));
    cr_assert_eq(password_make(&one, (struct slice){longest, PASSWORD_MAX + 1}, 1, &error), -1);
    cr_assert_str_eq(error.text, "a password has 1 to 256 bytes");
    cr_assert_eq(password_make(&one, SLICE(""), 1, &error), -1);
}

static void expect_round(const struct password *password, const char *text)
{
    struct bytes cleanup_bytes printed;
    struct password again;

    bytes_init(&printed, PASSWORD_TEXT_MAX);
    cr_assert_eq(password_print(password, &printed, &error), 0, "%s", error.text);
    if (text)
        cr_assert(slice_is(bytes_slice(&printed), text), "%.*s", (int)printed.length, printed.data);
    cr_assert_eq(password_parse(bytes_slice(&printed), &again), 0);
    cr_assert(password_same(password, &again));
    bytes_free(&printed);
    printed.limit = 30;
    cr_assert_eq(password_print(password, &printed, &error), -1);
}

Test(password, as_text)
{
    struct password password;

    cr_assert_eq(password_parse(SLICE(OF_HUNTER), &password), 0);
    cr_assert(password_is(&password, SLICE("hunter22")));
    expect_round(&password, OF_HUNTER);
    cr_assert_eq(password_make(&password, SLICE("x"), 1, &error), 0);
    expect_round(&password, NULL);
    /* The largest that there is. */
    password.kind = PASSWORD_SHA512;
    password.iterations = PASSWORD_ITERATIONS_MAX;
    password.salt_length = PASSWORD_SALT_MAX;
    expect_round(&password, NULL);
}

Test(password, texts_that_are_none)
{
    static const char *const rows[] = {
        "",
        "hunter22",
        "pbkdf2-sha256",
        "pbkdf2-sha256:10:" SALT,
        OF_HUNTER ":",
        OF_HUNTER "A",
        "pbkdf2-sha1:10:" SALT ":" HASH,
        "pbkdf2-sha512:10:" SALT ":" HASH,
        "pbkdf2-sha256::" SALT ":" HASH,
        "pbkdf2-sha256:0:" SALT ":" HASH,
        "pbkdf2-sha256:-1:" SALT ":" HASH,
        "pbkdf2-sha256:1x:" SALT ":" HASH,
        "pbkdf2-sha256:2000001:" SALT ":" HASH, /* it would take too long */
        "pbkdf2-sha256:99999999:" SALT ":" HASH,
        "pbkdf2-sha256:10::" HASH,
        "pbkdf2-sha256:10:AAECAwQFBg==:" HASH, /* seven bytes */
        "pbkdf2-sha256:10:?:" HASH,
        "pbkdf2-sha256:10:" SALT ":",
        "pbkdf2-sha256:10:" SALT ":" SALT,
        "pbkdf2-sha256:10:" SALT ":" MOSQUITTO_HASH,
        "pbkdf2-sha256:10:" SALT ":" HASH HASH HASH,
        "pbkdf2-sha256:10:" MOSQUITTO_HASH MOSQUITTO_HASH ":" HASH,
        "pbkdf2-sha256:10:AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4PAAECAwQFBgcICQoLDA0OD"
        "wABAgME:" HASH,
        OF_MOSQUITTO,
    };
    struct password password;

    for (size_t i = 0; i < COUNT(rows); i++)
        cr_assert_eq(password_parse(slice_of(rows[i]), &password), -1, "%s", rows[i]);
    cr_assert_eq(password_parse(SLICE("pbkdf2-sha256:2000000:" SALT ":" HASH), &password), 0);
}

Test(password, of_mosquitto)
{
    static const char *const none[] = {"", "$", "7$101$AAECAwQFBgcICQoL$" MOSQUITTO_HASH,
        "$6$AAECAwQFBgcICQoL$" MOSQUITTO_HASH, "$6$101$AAECAwQFBgcICQoL$" MOSQUITTO_HASH,
        "$argon2id$v=19$m=1,t=1,p=1$AAECAwQFBgcICQoL$" HASH, "$7$101$AAECAwQFBgcICQoL$" HASH,
        "$7$2000001$AAECAwQFBgcICQoL$" MOSQUITTO_HASH};
    struct password password;

    cr_assert_eq(password_parse_mosquitto(SLICE(OF_MOSQUITTO), &password), 0);
    cr_assert(password_is(&password, SLICE("hunter22")));
    cr_assert_not(password_is(&password, SLICE("hunter23")));
    expect_round(&password, "pbkdf2-sha512:101:AAECAwQFBgcICQoL:" MOSQUITTO_HASH);
    for (size_t i = 0; i < COUNT(none); i++)
        cr_assert_eq(password_parse_mosquitto(slice_of(none[i]), &password), -1, "%s", none[i]);
}

Test(password, same)
{
    struct password one, other;

    cr_assert_eq(password_parse(SLICE(OF_HUNTER), &one), 0);
    for (int i = 0; i < 5; i++) {
        other = one;
        cr_assert(password_same(&one, &other));
        if (i == 0)
            other.kind = PASSWORD_SHA512;
        else if (i == 1)
            other.iterations++;
        else if (i == 2)
            other.salt_length--;
        else if (i == 3)
            other.salt[15]++;
        else
            other.hash[31]++;
        cr_assert_not(password_same(&one, &other), "%d", i);
    }
}

Test(password, mark)
{
    unsigned char zero[PASSWORD_MARK] = {0}, one[PASSWORD_MARK] = {1}, other[PASSWORD_MARK] = {2};
    struct password password;

    cr_assert_eq(password_parse(SLICE(OF_HUNTER), &password), 0);
    cr_assert_not(password_has_mark(&password, zero), "none was kept");
    password_keep_mark(&password, one);
    cr_assert(password_has_mark(&password, one));
    cr_assert_not(password_has_mark(&password, other));
    password_keep_mark(&password, other);
    cr_assert(password_has_mark(&password, one), "others may be reading it");
}
