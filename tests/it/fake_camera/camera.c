// Cameras made of files, for a program that runs with LD_PRELOAD=fake_camera.so. No kernel module, no root.
//
// FAKE_V4L2_DEVICE names them, at most two, separated by ':'. A device /x/cam is
//   /x/cam           a file with one word, read again for each frame: what the camera does (below);
//   /x/cam.frames/   what it plays in a loop, sorted by name: 640x480-*.jpg, 640x480-*.yuyv, ...;
//   /x/cam.journal   written here: one line for each open, stream, control that is set, and damaged frame.
//
//   ok       plays                                   errbuf   the driver's error flag, some bytes wrong
//   stall    no frame                                short    a third of a frame, an older one's bytes behind
//   hang     DQBUF, STREAMOFF and close don't return empty    bytesused is 0
//   unplug   ENODEV, POLLERR; open says ENOENT       corrupt  bytes in the middle wrong, no flag
//   eio      DQBUF says EIO                          wrong    a whole frame of another size than agreed
//   qbuf     QBUF says EINVAL                        freeze   one frame again and again, sequence rising
//   gap      nine of ten frames are lost             size     S_FMT gives another size than asked
//   drift    exposure_time_absolute reads 43 too high
//   sharpen  another program sets sharpness to 7      glitch   the first reading of a control fails, once
//   pipe     no control can be read
//
// It forgets its controls when a stream starts, and its driver does not notice, as with some webcams: G_CTRL
// is answered from memory. "forgot" in the journal: a stream ended with a control at another value than that.
//
// With FAKE_V4L2_UNPACED set, no clock and no word: it plays, and the next frame is there as soon as one is
// taken, in the caller's own time. So no frame is lost, and a program can be measured at its own speed. Frames
// are stamped as if they came at the rate agreed.
//
// Descriptors are sockets, so that any poll works on them. Calls are caught at libc (open, close, ioctl,
// mmap, and syscall(SYS_ioctl), which the crate v4l uses); a system call made by hand gets past. There is no
// sysfs and no udev: such a camera is opened by its path and appears in no list.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CAMERAS = 2, HANDLES = 16, BUFFERS = 8, FRAMES = 128, SIZES = 8 };

struct frame { unsigned width, height, fourcc; unsigned char *bytes; size_t length; };

struct control {
    unsigned id, type;
    const char *name;
    int min, max, initial;
    int value, own; // what the driver remembers, and what the camera has
};

struct camera {
    char path[400], word[16];
    struct frame frames[FRAMES];
    int count;
    unsigned shown; // where the loop stands: a camera that is opened anew goes on from there
    struct control controls[6];
    bool glitched; // once is enough
    struct handle *streamer; // who has the buffers; others get EBUSY
};

// One open file.
struct handle {
    int fd, peer, memory; // the program's end, ours (readable = a buffer is done), the buffers
    struct camera *camera;
    bool gone; // unplugged: of no use until it is closed
    struct v4l2_pix_format format;
    struct v4l2_fract interval;
    struct v4l2_buffer buffers[BUFFERS];
    unsigned count, queued[BUFFERS], queued_count, done[BUFFERS], done_count, sequence, next;
    size_t length;
    unsigned char *mapping;
    long started; // the second of the last STREAMON
    unsigned run; // counts up with each STREAMON; 0 while nothing streams
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct camera cameras[CAMERAS];
static struct handle handles[HANDLES];
static int camera_count;
static unsigned runs;
static bool unpaced;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static int (*real_ioctl)(int, unsigned long, ...);
static long (*real_syscall)(long, ...);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

static const struct control CONTROLS[] = {
    {V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", 0, 255, 128, 128, 128},
    {V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1, 1, 1},
    {V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CTRL_TYPE_INTEGER, "White Balance Temperature", 2800, 6500, 4600, 4600, 4600},
    {V4L2_CID_SHARPNESS, V4L2_CTRL_TYPE_INTEGER, "Sharpness", 0, 10, 3, 3, 3},
    {V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Exposure, Auto", 0, 3, 3, 3, 3},
    {V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", 1, 5000, 157, 157, 157},
};
static const char *const EXPOSURES[] = {"Auto Mode", "Manual Mode", "Shutter Priority Mode", "Aperture Priority Mode"};

static int fail(int error) { errno = error; return -1; }

static void resolve(void) {
    if (real_mmap) return;
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_ioctl = dlsym(RTLD_NEXT, "ioctl");
    real_syscall = dlsym(RTLD_NEXT, "syscall");
    real_mmap = dlsym(RTLD_NEXT, "mmap");
}

__attribute__((constructor)) static void begin(void) {
    resolve();
    unpaced = getenv("FAKE_V4L2_UNPACED");
    char *list = strdup(getenv("FAKE_V4L2_DEVICE") ? getenv("FAKE_V4L2_DEVICE") : "");
    for (char *path = strtok(list, ":"); path && camera_count < CAMERAS; path = strtok(NULL, ":")) {
        struct camera *camera = &cameras[camera_count++];
        snprintf(camera->path, sizeof camera->path, "%s", path);
        strcpy(camera->word, "ok");
        memcpy(camera->controls, CONTROLS, sizeof CONTROLS);
    }
    free(list);
}

// ---- what a camera is told, and what it plays

static bool says(struct camera *camera, const char *word) {
    if (unpaced) return !strcmp(camera->word, word);
    char text[16] = "";
    int fd = real_open(camera->path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) real_close(fd);
    if (length > 0 && sscanf(text, "%15s", text) == 1) strcpy(camera->word, text); // empty: just being written
    return !strcmp(camera->word, word);
}

static void note(struct camera *camera, const char *what, long number) {
    char path[420], line[80];
    snprintf(path, sizeof path, "%s.journal", camera->path);
    int length = snprintf(line, sizeof line, "%s %ld\n", what, number);
    int fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, length) != length) abort(); // a test must not go on without
    real_close(fd);
}

static void load(struct camera *camera) {
    if (camera->count) return;
    char folder[420], path[1000];
    struct dirent **names;
    snprintf(folder, sizeof folder, "%s.frames", camera->path);
    int count = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < count && camera->count < FRAMES; i++) {
        struct frame *frame = &camera->frames[camera->count];
        const char *dot = strrchr(names[i]->d_name, '.');
        bool is_jpeg = !strcmp(dot ? dot : "", ".jpg"), is_yuyv = !strcmp(dot ? dot : "", ".yuyv");
        if (!(is_jpeg || is_yuyv) || sscanf(names[i]->d_name, "%ux%u-", &frame->width, &frame->height) != 2) continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        FILE *file = fopen(path, "rb");
        frame->fourcc = is_jpeg ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        frame->bytes = malloc(frame->width * frame->height * 2);
        frame->length = fread(frame->bytes, 1, frame->width * frame->height * 2, file);
        fclose(file);
        camera->count++;
    }
    if (!camera->count) abort();
}

// The `index`-th size of a format, in the order of the files; null beyond the last.
static struct frame *size_of(struct camera *camera, unsigned fourcc, unsigned index) {
    struct frame *seen[SIZES];
    unsigned count = 0;
    for (int i = 0; i < camera->count; i++) {
        struct frame *frame = &camera->frames[i];
        bool is_new = frame->fourcc == fourcc;
        for (unsigned k = 0; k < count; k++)
            is_new &= seen[k]->width != frame->width || seen[k]->height != frame->height;
        if (!is_new || count == SIZES) continue;
        if (count == index) return frame;
        seen[count++] = frame;
    }
    return NULL;
}

// The frame to be played after `from` steps: of the format agreed, or of `other` sizes only.
static struct frame *pick(struct handle *h, unsigned from, bool other) {
    struct camera *camera = h->camera;
    for (int i = 0; i < 2 * camera->count; i++) {
        struct frame *frame = &camera->frames[(from + i) % camera->count];
        bool same = frame->width == h->format.width && frame->height == h->format.height;
        if (frame->fourcc != h->format.pixelformat || same == other) continue;
        camera->shown = h->next = from + i + 1;
        return frame;
    }
    return NULL;
}

// ---- the thread of a stream: a frame each interval

static void unplug(struct camera *camera) {
    for (int i = 0; i < HANDLES; i++) {
        struct handle *h = &handles[i];
        if (!h->camera || h->camera != camera || h->gone) continue;
        h->gone = true;
        h->run = 0;
        if (write(h->fd, "x", 1) < 0) abort(); // unread when we close: the other end polls POLLERR
        real_close(h->peer);
        h->peer = -1;
    }
    memcpy(camera->controls, CONTROLS, sizeof CONTROLS); // what is plugged in again has forgotten
    note(camera, "unplug", 0);
}

// Makes the program's end readable. Where it is full, it is readable already.
static void wake(struct handle *h) { if (write(h->peer, "x", 1) < 0 && errno != EAGAIN) abort(); }

static void deliver(struct handle *h) {
    struct camera *camera = h->camera;
    bool hangs = says(camera, "hang"), frozen = !strcmp(camera->word, "freeze");
    if (hangs || !strcmp(camera->word, "eio")) return wake(h); // DQBUF shall be called
    if (!strcmp(camera->word, "stall")) return;
    bool gap = !strcmp(camera->word, "gap");
    h->sequence += gap ? 10 : 1;
    if (!h->queued_count) return; // nobody gave us a buffer: lost
    struct frame *frame = pick(h, frozen && h->next ? h->next - 1 : h->next, !strcmp(camera->word, "wrong"));
    if (!frame) abort();
    unsigned index = h->queued[0];
    memmove(h->queued, h->queued + 1, --h->queued_count * sizeof *h->queued);
    struct v4l2_buffer *buffer = &h->buffers[index];
    unsigned char *to = h->mapping + index * h->length;
    size_t length = frame->length;
    bool errbuf = !strcmp(camera->word, "errbuf");
    bool bad = errbuf || !strcmp(camera->word, "corrupt") || !strcmp(camera->word, "wrong");
    if (!strcmp(camera->word, "short")) { length /= 3; bad = true; }
    if (!strcmp(camera->word, "empty")) { length = 0; bad = true; }
    memcpy(to, frame->bytes, length);
    if (errbuf || !strcmp(camera->word, "corrupt"))
        for (unsigned k = 0; k < 200; k++)
            to[length / 4 + (k * 2654435761u + h->sequence * 40503u) % (length / 2)] = k * 89 + h->sequence;
    if (bad) note(camera, "damaged", h->sequence);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (unpaced) {
        long long stamp = 1000000000ll * h->sequence * h->interval.numerator / h->interval.denominator;
        now = (struct timespec){h->started + stamp / 1000000000, stamp % 1000000000};
    }
    buffer->bytesused = length;
    buffer->sequence = h->sequence;
    buffer->field = V4L2_FIELD_NONE;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | V4L2_BUF_FLAG_DONE;
    if (errbuf) buffer->flags |= V4L2_BUF_FLAG_ERROR;
    h->done[h->done_count++] = index;
    wake(h);
}

// Of a camera without a clock: there is always one frame to be had, and never two, where a buffer is queued.
static void keep_one(struct handle *h) {
    if (unpaced && h->run && !h->done_count && h->queued_count) deliver(h);
}

static void *play(void *argument) {
    struct handle *h = argument;
    pthread_mutex_lock(&lock);
    for (unsigned run = h->run; run && h->run == run;) {
        long period = 1000000000L * h->interval.numerator / h->interval.denominator;
        pthread_mutex_unlock(&lock);
        nanosleep(&(struct timespec){period / 1000000000, period % 1000000000}, NULL);
        pthread_mutex_lock(&lock);
        if (h->run != run) break;
        if (says(h->camera, "unplug")) unplug(h->camera);
        else deliver(h);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

// Does not return while the camera hangs. The lock is free meanwhile: other cameras and openings go on.
static bool hung(struct handle *h) {
    bool waited = false;
    for (; h->camera && !h->gone && says(h->camera, "hang"); waited = true) {
        pthread_mutex_unlock(&lock);
        usleep(20000);
        pthread_mutex_lock(&lock);
    }
    return waited;
}

// ---- the calls

static void agree(struct handle *h, struct v4l2_pix_format *format) {
    struct camera *camera = h->camera;
    unsigned fourcc = format->pixelformat;
    if (!size_of(camera, fourcc, 0)) fourcc = camera->frames[0].fourcc;
    struct frame *size = size_of(camera, fourcc, 0), *other;
    for (unsigned i = 0; (other = size_of(camera, fourcc, i)); i++)
        if (other->width == format->width && other->height == format->height) size = other;
    if (says(camera, "size"))
        for (unsigned i = 0; (other = size_of(camera, fourcc, i)); i++)
            if (other->width != size->width) { size = other; break; }
    bool is_raw = fourcc == V4L2_PIX_FMT_YUYV;
    *format = (struct v4l2_pix_format){
        .width = size->width, .height = size->height, .pixelformat = fourcc, .field = V4L2_FIELD_NONE,
        .bytesperline = is_raw ? size->width * 2 : 0, .sizeimage = size->width * size->height * 2,
        .colorspace = V4L2_COLORSPACE_SRGB,
    };
}

static void stop(struct handle *h) {
    char byte, what[60];
    for (unsigned i = 0; h->run && i < sizeof CONTROLS / sizeof *CONTROLS; i++) {
        struct control *control = &h->camera->controls[i];
        snprintf(what, sizeof what, "forgot %s =", control->name);
        if (control->own != control->value) note(h->camera, what, control->own);
    }
    h->run = h->queued_count = h->done_count = 0;
    for (unsigned i = 0; i < h->count; i++) h->buffers[i].flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    while (recv(h->fd, &byte, 1, MSG_DONTWAIT) > 0) {}
}

static void release(struct handle *h) {
    stop(h);
    if (h->mapping) munmap(h->mapping, h->length * BUFFERS);
    if (h->memory >= 0) real_close(h->memory);
    h->mapping = NULL;
    h->memory = -1;
    h->count = 0;
    if (h->camera->streamer == h) h->camera->streamer = NULL;
}

static int request_buffers(struct handle *h, struct v4l2_requestbuffers *request) {
    if (request->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
    if (h->camera->streamer && h->camera->streamer != h) return fail(EBUSY);
    release(h);
    if (request->count > BUFFERS) request->count = BUFFERS;
    request->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    if (!(h->count = request->count)) return 0;
    h->camera->streamer = h;
    h->length = (h->format.sizeimage + 4095) & ~4095ul;
    h->memory = memfd_create("buffers", MFD_CLOEXEC);
    if (ftruncate(h->memory, h->length * BUFFERS)) abort();
    h->mapping = real_mmap(NULL, h->length * BUFFERS, PROT_READ | PROT_WRITE, MAP_SHARED, h->memory, 0);
    for (unsigned i = 0; i < h->count; i++)
        h->buffers[i] = (struct v4l2_buffer){
            .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .length = h->length,
            .m.offset = i * h->length, .flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
        };
    return 0;
}

static int queue(struct handle *h, struct v4l2_buffer *buffer) {
    if (says(h->camera, "qbuf") || buffer->index >= h->count) return fail(EINVAL);
    struct v4l2_buffer *own = &h->buffers[buffer->index];
    if (own->flags & (V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE)) return fail(EINVAL); // it is ours already
    own->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    h->queued[h->queued_count++] = buffer->index;
    *buffer = *own;
    keep_one(h);
    return 0;
}

static int dequeue(struct handle *h, struct v4l2_buffer *buffer) {
    char byte;
    if (hung(h) || says(h->camera, "eio")) return fail(h->gone ? ENODEV : EIO);
    if (!h->run) return fail(EINVAL);
    bool woken = recv(h->fd, &byte, 1, MSG_DONTWAIT) == 1;
    if (!h->done_count) return keep_one(h), fail(EAGAIN); // whoever is tested opens with O_NONBLOCK
    if (!woken) abort();
    struct v4l2_buffer *own = &h->buffers[h->done[0]];
    memmove(h->done, h->done + 1, --h->done_count * sizeof *h->done);
    own->flags &= ~(V4L2_BUF_FLAG_QUEUED | V4L2_BUF_FLAG_DONE);
    *buffer = *own;
    return 0;
}
