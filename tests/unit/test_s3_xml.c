/* Answers of S3 stores: those that they give, and those that would do harm */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lake/store/s3_xml.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int note(void *context, const char *path, struct slice text, struct error *error)
{
    cr_assert_eq(text.data[text.length], '\0');
    return bytes_print(context, error, "%s=%.*s|", path, (int)text.length, text.data);
}

static int read_all(struct slice document, struct bytes *found, struct error *error)
{
    bytes_init(found, 1 << 21);
    return s3_xml_read(document, note, found, error);
}

static void expect(const char *document, const char *expected)
{
    struct error error;
    cleanup_bytes struct bytes found;

    cr_assert_eq(read_all(slice_of(document), &found, &error), 0, "%s: %s", document, error.text);
    cr_assert(slice_is(bytes_slice(&found), expected), "%.*s", (int)found.length, found.data);
}

Test(s3_xml, elements_are_told_at_their_end)
{
    expect(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<IsTruncated>false</IsTruncated><Contents><Key>a b</Key><Size>1</Size></Contents></ListBucketResult>\n",
        "ListBucketResult/IsTruncated=false|ListBucketResult/Contents/Key=a b|ListBucketResult/Contents/Size=1|"
        "ListBucketResult/Contents=|ListBucketResult=|");
}

Test(s3_xml, what_is_written_otherwise_is_the_same)
{
    expect("\n\n <a/>", "a=|");
    expect("<a><b/><c x='>' y=\"'\"/></a>", "a/b=|a/c=|a=|");
    expect("<s:a xmlns:s=\"x\"><s:b >t</s:b ></s:a>", "a/b=t|a=|");
    expect("<!-- <x> --><a>1<!-- - -->2</a><!-- e -->", "a=12|");
    expect("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xfc;&#x20AC;&#x1F600;&#1;</a>",
        "a=<>&\"'AB\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\x01|");
    expect("<a><![CDATA[<&]]]>]]></a>", "a=<&]]]>|");
    expect("<a><![CDATA[]]></a>", "a=|");
}

Test(s3_xml, what_is_not_well_formed_is_refused)
{
    static const char *const bad[] = {"", "   ", "x", "<", "<a", "<a>", "<a><b></a></b>", "<a></b>", "</a>",
        "<a></a><b></b>", "<a></a>x", "x<a></a>", "<a>&lt</a>", "<a>&nbsp;</a>", "<a>&#0;</a>",
        "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#1f;</a>", "<a>&",
        "<a>&;</a>", "<a>&#99999999999999;</a>", "<a><b <c></b></a>", "<a x=\"></a>", "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a><!ELEMENT></a>", "<a><![CDATA[x</a>", "<!-- <a/>",
        "<?xml <a/>", "< a></a>", "<></>", "<a$></a$>", "<ab></b>", "<a><ab></b></a>", "<![CDATA[x]]><a/>"};

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct error error;
        cleanup_bytes struct bytes found;
        cr_assert_eq(read_all(slice_of(bad[i]), &found, &error), -1, "%s", bad[i]);
        cr_assert_eq(error.kind, ERROR_RETRY);
    }
}

Test(s3_xml, every_beginning_of_a_document_is_refused)
{
    static const char whole[] =
        "<?xml version=\"1.0\"?><E xmlns='u'><!-- c --><Code>A&amp;<![CDATA[x]]></Code><M/></E>";

    for (size_t length = 0; length < sizeof whole - 1; length++) {
        struct error error;
        cleanup_bytes struct bytes found;
        char *copy = malloc(length ? length : 1); /* so that a sanitizer sees a read behind it */
        memcpy(copy, whole, length);
        cr_assert_eq(read_all((struct slice){copy, length}, &found, &error), -1, "%zu", length);
        free(copy);
    }
    expect(whole, "E/Code=A&x|E/M=|E=|");
}

Test(s3_xml, depth_paths_and_texts_have_ceilings)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, 1 << 21);
    for (int i = 0; i < 17; i++)
        cr_assert_eq(bytes_add_text(&text, "<a>", &error), 0);
    cleanup_bytes struct bytes found;
    cr_assert_eq(read_all(bytes_slice(&text), &found, &error), -1);
    cr_assert_not_null(strstr(error.text, "too deep"));
    bytes_clear(&text);
    cr_assert_eq(bytes_print(&text, &error, "<%0*d/>", 300, 0), 0);
    cr_assert_eq(s3_xml_read(bytes_slice(&text), note, &found, &error), -1);
    bytes_clear(&text);
    cr_assert_eq(bytes_print(&text, &error, "<a>%0*d</a>", 1 << 20, 0), 0);
    cr_assert_eq(s3_xml_read(bytes_slice(&text), note, &found, &error), -1);
    cr_assert_not_null(strstr(error.text, "too long"));
}

Test(s3_xml, zero_bytes_are_refused)
{
    struct error error;
    cleanup_bytes struct bytes found;

    cr_assert_eq(read_all((struct slice){"<a>\0</a>", 8}, &found, &error), -1);
}

static int refuse(void *context, const char *path, struct slice text, struct error *error)
{
    (void)context;
    (void)text;
    return error_set(error, ERROR_RETRY, "not %s", path);
}

Test(s3_xml, who_reads_may_end_it)
{
    struct error error;

    cr_assert_eq(s3_xml_read(slice_of("<a><b/></a>"), refuse, NULL, &error), -1);
    cr_assert_str_eq(error.text, "not a/b");
}

Test(s3_xml, what_is_escaped_is_read_again)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 100);
    cr_assert_eq(bytes_add_text(&text, "<a>", &error), 0);
    cr_assert_eq(s3_xml_escape(slice_of("\"a<b>&amp;'"), &text, &error), 0);
    cr_assert_eq(bytes_add_text(&text, "</a>", &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    expect(text.data, "a=\"a<b>&amp;'|");
}
