/* name: a name that is there, held against what is known; see files_internal.h
 *
 * It leads to an inode, and that to a file that is known, or to none: then it is new, or a copy that somebody has made of one that was cut. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "files/files_internal.h"

/* A name that was found, open. */
struct name_found {
    struct file_look *look;
    struct slice path; /* relative */
    char whole[PATH_MAX + FILE_PATTERN_MAX];
    struct slice absolute;
    struct stat stat;
    int descriptor;
    struct file_identity identity;
    bool taken;
};

/* False: its path is too long to be known. */
static bool name_init(struct name_found *found, struct file_look *look, struct slice path, bool taken)
{
    const int length = snprintf(found->whole, sizeof found->whole, "%s%s%.*s", look->root,
        look->root[1] ? "/" : "", (int)path.length, path.data);

    found->look = look;
    found->path = path;
    found->absolute = (struct slice){found->whole, (size_t)length};
    found->descriptor = -1;
    found->taken = taken;
    return length <= FILE_PATH_MAX;
}

/* ---- a file that is known --------------------------------------------------------------------------------------------- */

/* Whether its own name still leads to it: another one is a further link, no new name. */
static bool name_leads_to(const struct file *file)
{
    struct stat stat;

    return file_walk_look(file->look->walk, file_path_below(file), &stat) == 0 &&
           stat.st_ino == file->identity.inode;
}

static void name_change_look(struct source *source, struct file *file, struct file_look *look)
{
    const bool ready = file->ready;
    bool left_out = false;

    file_unready(source, file);
    file_done_drop(source, file);
    if (file_is_spooled(file) != file_watch_spools(look->watch)) {
        left_out = file->unpack != NULL;
        file->own &= file->position > 0;
        file_tail_close(file);
    }
    if (file->descriptor >= 0) {
        file->look->watch->open--;
        look->watch->open++;
    }
    file->look = look;
    if (left_out)
        file_set_life(source, file, FILE_LEFT_OUT);
    else if (!file_is_spooled(file) && (file->life == FILE_WAITS || file->life == FILE_DONE)) {
        file->done = false;
        file_set_life(source, file, FILE_LIVES);
    }
    if (ready)
        file_ready(source, file);
    file_batch_touch(source, file);
}

static void name_see_grown(struct source *source, struct file *file, const struct name_found *found)
{
    const struct slice path = {file->path, file->path_length};

    if (slice_equal(path, found->absolute)) {
        if (file->where ||
            file->life ==
                FILE_UNLINKED) /* it is back; one that was renamed to this name goes on to its end */
            file_set_life(source, file, FILE_LIVES);
        free(file->where);
        file->where = NULL;
        return;
    }
    if (name_leads_to(file) || (!found->taken && file->look != found->look))
        return;
    if (found->taken) {
        free(file->where);
        file->where = NULL;
        if (file_known_rename(source, file, found->absolute) == 0)
            name_change_look(source, file, found->look);
    } else if (!file->where || !slice_is(found->path, file->where)) {
        free(file->where);
        file->where = strndup(found->path.data, found->path.length);
    }
    if (file->life != FILE_UNLINKED && file->life != FILE_LEFT_OUT)
        file_set_life(source, file, FILE_RENAMED);
}

/* Nothing is read of it at the moment: who takes it away has it, and under another name that is taken it is the same. One that is kept is
 * known as long as it is in the directories, so that it does not come again when it gets its name back. */
static void name_see_spooled(struct source *source, struct file *file, const struct name_found *found)
{
    const bool own = slice_equal((struct slice){file->path, file->path_length}, found->absolute);

    if (!own && name_leads_to(file))
        return;
    free(file->where);
    file->where = NULL;
    if (own)
        return;
    if (found->taken) {
        if (file_known_rename(source, file, found->absolute) == 0)
            name_change_look(source, file, found->look);
    } else if (!file->done)
        file_known_forget(source, file);
    else if (file->look->watch->done != FILE_DONE_KEEP || file_done_is_own_name(file, found->path))
        file_done_forget(source, file);
    else
        file->where = strndup(found->path.data, found->path.length);
}

static void name_see(struct source *source, struct file *file, const struct name_found *found)
{
    const int64_t changed = file_time(found->stat.st_ctim);

    if (!file->look && !found->taken) /* a pattern took it once */
        return;
    if (!file->look)
        file->look = found->look;
    file->root_device = found->look->device;
    file->scan = source->scan;
    file->look_due = false;
    file->missed = 0;
    file->look_at = files_now(source) + FILE_LOOK_PAUSE;
    if (file->life == FILE_LEFT_OUT &&
        ((uint64_t)found->stat.st_size != file->size || changed != file->changed)) {
        file_known_forget(source, file); /* it may be another one by now: the next scan looks at it anew */
        source->scan_wanted = true;
        return;
    }
    if (file_is_spooled(file) && (file->life == FILE_WAITS || file->life == FILE_DONE || file->done))
        name_see_spooled(source, file, found);
    else
        name_see_grown(source, file, found);
    if (file->gone || file_is_aside(file))
        return;
    if (file->life == FILE_DONE && file->checked)
        file_done_add(source, file); /* where its name was not found, it may be now */
    if ((file->checked || file->life == FILE_WAITS) && (uint64_t)found->stat.st_size == file->size &&
        changed == file->changed)
        return;
    file->changed = changed;
    file->written = file_time(found->stat.st_mtim);
    file->size = (uint64_t)found->stat.st_size;
    if (file_is_spooled(file))
        file_spool_changed(source, file);
    else
        file_ready(source, file);
}

/* ---- a file that is new ----------------------------------------------------------------------------------------------- */

/* What is left of a file that was cut is read from its copy. */
static void name_adopt(struct source *source, struct file *cut, struct name_found *found)
{
    file_known_identify(source, cut, &found->identity);
    file_set_life(source, cut, FILE_RENAMED);
    cut->look = found->look;
    cut->root_device = found->look->device;
    cut->scan = source->scan;
    cut->size = (uint64_t)found->stat.st_size;
    cut->descriptor = fd_take(&found->descriptor);
    cut->look->watch->open++;
    if (found->taken)
        file_known_rename(source, cut, found->absolute);
    else
        cut->where = strndup(found->path.data, found->path.length);
    file_batch_touch(source, cut);
    file_ready(source, cut);
}

static struct file *name_cut_of(struct source *source, struct name_found *found)
{
    const struct file copy = {
        .look = found->look,
        .path = found->whole,
        .identity = found->identity,
        .number = UINT64_MAX, /* newer than all that are known */
        .descriptor = found->descriptor,
    };
    struct file *original = source->cut ? file_original(source, &copy) : NULL;

    return original && original->life == FILE_CUT ? original : NULL;
}

static void name_add(struct source *source, struct name_found *found)
{
    struct file_watch *watch = found->look->watch;
    bool full;
    struct file *file = file_known_add(source, &found->identity, found->absolute, &full);

    if (!file) {
        watch->refused += full;
        return;
    }
    file->look = found->look;
    file->root_device = found->look->device;
    file->scan = source->scan;
    file->checked = true;
    file->size = (uint64_t)found->stat.st_size;
    file->changed = file_time(found->stat.st_ctim);
    file->written = file_time(found->stat.st_mtim);
    file->read_at = files_now(source);
    const bool old = !watch->known && file->size && file->written / 1000 < watch->read_from &&
                     file_skip(source, file, found->descriptor) == 0;
    file_tell_new(file);
    if (file_is_spooled(file)) {
        file_spool_new(source, file, found->descriptor);
        return;
    }
    if (watch->open < watch->from->max_open) {
        file->descriptor = fd_take(&found->descriptor);
        watch->open++;
    }
    if (!old)
        file_ready(source, file);
}

static int name_open(struct source *source, struct name_found *found)
{
    struct error error;

    if (file_walk_open_file(found->look->walk, found->path, &found->descriptor, &found->stat, &error) ||
        file_identify(found->descriptor, &found->identity, &error)) {
        if (found->taken && (error.kind == ERROR_REJECT || errno != ENOENT))
            file_tell_trouble(source, "%s", error.text);
        return -1;
    }
    return 0;
}

/* An inode that is used again: of a file that grows its next read shows it, but here the event counts that says that the new one is whole. */
static bool name_may_be_another(const struct file *file, const struct name_found *found)
{
    return found->taken && file->look && file_is_spooled(file) && (file->life == FILE_WAITS || file->done) &&
           ((uint64_t)found->stat.st_size != file->size || file_time(found->stat.st_ctim) != file->changed);
}

static void name_new(struct source *source, struct name_found *found)
{
    if (name_open(source, found))
        return;
    struct file *known = file_known_find(source, found->identity.device, found->identity.inode);
    if (known && !file_is_same(known, &found->identity) && known->identity.device != found->identity.device)
        known = NULL;
    if (known && !file_is_same(known, &found->identity) && name_may_be_another(known, found)) {
        file_replaced(source, known);
        known = NULL;
    }
    struct file *cut = known ? NULL : name_cut_of(source, found);
    if (known)
        name_see(source, known, found); /* the name has changed hands since it was looked at */
    else if (cut)
        name_adopt(source, cut, found);
    else if (found->taken)
        name_add(source, found);
    fd_close(&found->descriptor);
}

/* ---- a name ------------------------------------------------------------------------------------------------------------ */

void file_name_look(struct source *source, struct file_look *look, struct slice path, bool taken)
{
    struct name_found found;

    if (!name_init(&found, look, path, taken) || file_walk_look(look->walk, path, &found.stat) ||
        !(S_ISREG(found.stat.st_mode) || taken))
        return;
    struct file *file = file_known_find(source, found.stat.st_dev, found.stat.st_ino);
    if (file && file->identity.device == found.stat.st_dev && !name_may_be_another(file, &found))
        name_see(source, file, &found);
    else if (taken || source->cut)
        name_new(source, &found);
}

void file_name_new(struct source *source, struct file_look *look, struct slice path)
{
    struct name_found found;

    if (!name_init(&found, look, path, true))
        return;
    /* There may be many more of them than can be known. Not everywhere readdir says what their inodes are, so the name is asked, too. */
    if (file_known_is_full(source, found.absolute.length) && !file_known_path(source, found.absolute))
        look->watch->refused++;
    else
        name_new(source, &found);
}

void file_name_event(struct source *source, struct file_look *look, struct slice path, bool name, bool closed)
{
    struct name_found found;

    if (!name_init(&found, look, path, false))
        return;
    struct file *file = file_known_path(source, found.absolute);
    if (!name && file && file->descriptor >= 0 && files_now(source) < file->look_at &&
        file->life == FILE_LIVES) {
        file->look_due = true;
        file_ready(source, file);
        return;
    }
    if (file_walk_takes(look->walk, path))
        file_name_look(source, look, path, true);
    source->scan_wanted |= source->cut > 0 || (name && file); /* where is it now? */
    if (!closed || !file_watch_spools(look->watch))
        return;
    file = file_known_path(source, found.absolute);
    if (file && file->look == look && file->life == FILE_WAITS)
        file_spool_closed(source, file);
}

void file_name_again(struct source *source, struct file *file)
{
    file->look_due = false;
    file_name_look(source, file->look, file_path_below(file), true);
}
