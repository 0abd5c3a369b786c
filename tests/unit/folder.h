/* folder: a folder of a test's own with files in it. */
#ifndef PENSTOCK_TEST_FOLDER_H
#define PENSTOCK_TEST_FOLDER_H

/* Its path, once it has begun. */
extern char folder[];

void folder_begin(void);
/* With everything in it. */
void folder_end(void);

/* The path of a name in it. Good until the call after the next. */
char *in_folder(const char *name);
void write_file(const char *name, const char *text);

#endif
