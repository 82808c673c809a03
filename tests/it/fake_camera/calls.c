// The calls of libc that fake cameras catch: those on their descriptors become what camera.c does, all others
// go through. Built as one piece: gcc -O2 -shared -fPIC -o fake_camera.so calls.c
#include "camera.c"

// ---- controls

static struct control *control(struct camera *camera, unsigned id) {
    for (unsigned i = 0; i < sizeof CONTROLS / sizeof *CONTROLS; i++)
        if (camera->controls[i].id == id) return &camera->controls[i];
    return NULL;
}

// As webcams have it: a value is out of use while its automatic is on.
static bool is_inactive(struct camera *camera, unsigned id) {
    if (id == V4L2_CID_EXPOSURE_ABSOLUTE) return control(camera, V4L2_CID_EXPOSURE_AUTO)->value != V4L2_EXPOSURE_MANUAL;
    return id == V4L2_CID_WHITE_BALANCE_TEMPERATURE && control(camera, V4L2_CID_AUTO_WHITE_BALANCE)->value;
}

static int get(struct camera *camera, unsigned id, int *value) {
    struct control *found = control(camera, id);
    if (!found) return fail(EINVAL);
    if (says(camera, "pipe")) return fail(EPIPE);
    if (says(camera, "glitch") && !camera->glitched) {
        camera->glitched = true;
        note(camera, "glitch", id);
        return fail(EPIPE);
    }
    if (id == V4L2_CID_SHARPNESS && says(camera, "sharpen")) found->value = found->own = 7;
    *value = found->value + (id == V4L2_CID_EXPOSURE_ABSOLUTE && says(camera, "drift") ? 43 : 0);
    return 0;
}

static int set(struct camera *camera, unsigned id, int value) {
    struct control *found = control(camera, id);
    char what[60];
    if (!found) return fail(EINVAL);
    if (is_inactive(camera, id)) return fail(EACCES);
    if (value < found->min || value > found->max) return fail(ERANGE);
    found->value = found->own = value;
    snprintf(what, sizeof what, "set %s =", found->name);
    note(camera, what, value);
    return 0;
}

static int each(struct camera *camera, struct v4l2_ext_controls *list, bool is_set) {
    for (unsigned i = 0; i < list->count; i++) {
        struct v4l2_ext_control *one = &list->controls[i];
        int value = one->value; // of its own: the list is packed
        list->error_idx = i;
        if (is_set ? set(camera, one->id, value) : get(camera, one->id, &value)) return -1;
        one->value = value;
    }
    return 0;
}

// Finds the control that is asked for, or the next one, and gives its number in `id`.
static struct control *asked(struct camera *camera, unsigned *id) {
    unsigned after = *id & V4L2_CTRL_ID_MASK;
    if (!(*id & (V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND))) return control(camera, after);
    if (!(*id & V4L2_CTRL_FLAG_NEXT_CTRL)) return NULL; // there are no compound ones
    for (unsigned i = 0; i < sizeof CONTROLS / sizeof *CONTROLS; i++) // sorted by number
        if (camera->controls[i].id > after) return *id = camera->controls[i].id, &camera->controls[i];
    return NULL;
}

static int query(struct camera *camera, struct v4l2_query_ext_ctrl *q) {
    struct control *found = asked(camera, &q->id);
    if (!found) return fail(EINVAL);
    *q = (struct v4l2_query_ext_ctrl){
        .id = found->id, .type = found->type, .minimum = found->min, .maximum = found->max, .step = 1,
        .default_value = found->initial, .elems = 1, .elem_size = 4,
        .flags = is_inactive(camera, found->id) ? V4L2_CTRL_FLAG_INACTIVE : 0,
    };
    strcpy(q->name, found->name);
    return 0;
}

static int query_old(struct camera *camera, struct v4l2_queryctrl *q) {
    struct v4l2_query_ext_ctrl wide = {.id = q->id};
    if (query(camera, &wide)) return -1;
    *q = (struct v4l2_queryctrl){
        .id = wide.id, .type = wide.type, .minimum = wide.minimum, .maximum = wide.maximum, .step = 1,
        .default_value = wide.default_value, .flags = wide.flags,
    };
    strcpy((char *)q->name, wide.name);
    return 0;
}

static int query_menu(struct v4l2_querymenu *q) {
    if (q->id != V4L2_CID_EXPOSURE_AUTO || q->index > 3 || q->index % 2 == 0) return fail(EINVAL); // as UVC: 1 and 3
    strcpy((char *)q->name, EXPOSURES[q->index]);
    return 0;
}

// ---- formats

static int enumerate_formats(struct v4l2_fmtdesc *q) {
    static const struct { unsigned fourcc, flags; const char *name; } FORMATS[] = {
        {V4L2_PIX_FMT_MJPEG, V4L2_FMT_FLAG_COMPRESSED, "Motion-JPEG"}, {V4L2_PIX_FMT_YUYV, 0, "YUYV 4:2:2"},
    };
    if (q->index > 1 || q->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    q->pixelformat = FORMATS[q->index].fourcc;
    q->flags = FORMATS[q->index].flags;
    strcpy((char *)q->description, FORMATS[q->index].name);
    return 0;
}

static int enumerate_sizes(struct handle *h, struct v4l2_frmsizeenum *q) {
    struct frame *frame = size_of(h->camera, q->pixel_format, q->index);
    if (!frame) return fail(EINVAL);
    q->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    q->discrete.width = frame->width;
    q->discrete.height = frame->height;
    return 0;
}

static int enumerate_intervals(struct v4l2_frmivalenum *q) {
    static const struct v4l2_fract INTERVALS[] = {{1, 30}, {1001, 15000}, {1, 10}, {1, 5}};
    if (q->index >= sizeof INTERVALS / sizeof *INTERVALS) return fail(EINVAL);
    q->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    q->discrete = INTERVALS[q->index];
    return 0;
}

static int format(struct handle *h, struct v4l2_format *f, unsigned request) {
    if (f->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    if (request == (unsigned)VIDIOC_G_FMT) return f->fmt.pix = h->format, 0;
    if (request == (unsigned)VIDIOC_S_FMT && h->camera->streamer) return fail(EBUSY);
    agree(h, &f->fmt.pix);
    if (request == (unsigned)VIDIOC_S_FMT) h->format = f->fmt.pix;
    return 0;
}

static int pace(struct handle *h, struct v4l2_streamparm *p, bool is_set) {
    if (p->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return fail(EINVAL);
    struct v4l2_fract *asked = &p->parm.capture.timeperframe;
    if (is_set && asked->numerator && asked->denominator) h->interval = *asked;
    memset(&p->parm, 0, sizeof p->parm);
    p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    *asked = h->interval;
    return 0;
}

// One input, that of the camera; what v4l2 programs of analogue days ask before all else.
static int describe_input(struct v4l2_input *input) {
    if (input->index) return fail(EINVAL);
    *input = (struct v4l2_input){.name = "Camera 1", .type = V4L2_INPUT_TYPE_CAMERA};
    return 0;
}

static int describe(struct v4l2_capability *c) {
    *c = (struct v4l2_capability){
        .driver = "fake_camera", .card = "Fake camera", .bus_info = "platform:fake", .version = 0x60100,
        .device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_EXT_PIX_FORMAT,
    };
    c->capabilities = c->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

// ---- streaming, and which call is which

static int stream(struct handle *h, bool is_on) {
    if (!is_on) return hung(h), stop(h), 0;
    if (h->camera->streamer != h) return fail(EINVAL);
    if (h->run) return 0;
    h->run = ++runs;
    h->sequence = 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    h->started = now.tv_sec;
    h->next = h->camera->shown;
    for (unsigned i = 0; i < sizeof CONTROLS / sizeof *CONTROLS; i++)
        h->camera->controls[i].own = h->camera->controls[i].initial;
    note(h->camera, "stream", h->format.width);
    if (unpaced) return keep_one(h), 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, play, h)) abort();
    pthread_detach(thread);
    return 0;
}

static int call(struct handle *h, unsigned request, void *argument) {
    struct camera *camera = h->camera;
    if (!h->gone && says(camera, "unplug")) unplug(camera);
    if (h->gone) return fail(ENODEV);
    struct v4l2_control *one = argument;
    struct v4l2_buffer *buffer = argument;
    switch (request) {
    case (unsigned)VIDIOC_QUERYCAP: return describe(argument);
    case (unsigned)VIDIOC_G_INPUT: return *(int *)argument = 0;
    case (unsigned)VIDIOC_ENUMINPUT: return describe_input(argument);
    case (unsigned)VIDIOC_ENUM_FMT: return enumerate_formats(argument);
    case (unsigned)VIDIOC_ENUM_FRAMESIZES: return enumerate_sizes(h, argument);
    case (unsigned)VIDIOC_ENUM_FRAMEINTERVALS: return enumerate_intervals(argument);
    case (unsigned)VIDIOC_G_FMT:
    case (unsigned)VIDIOC_S_FMT:
    case (unsigned)VIDIOC_TRY_FMT: return format(h, argument, request);
    case (unsigned)VIDIOC_G_PARM: return pace(h, argument, false);
    case (unsigned)VIDIOC_S_PARM: return pace(h, argument, true);
    case (unsigned)VIDIOC_REQBUFS: return request_buffers(h, argument);
    case (unsigned)VIDIOC_QUERYBUF: return buffer->index < h->count ? *buffer = h->buffers[buffer->index], 0 : fail(EINVAL);
    case (unsigned)VIDIOC_QBUF: return queue(h, buffer);
    case (unsigned)VIDIOC_DQBUF: return dequeue(h, buffer);
    case (unsigned)VIDIOC_STREAMON: return stream(h, true);
    case (unsigned)VIDIOC_STREAMOFF: return stream(h, false);
    case (unsigned)VIDIOC_QUERY_EXT_CTRL: return query(camera, argument);
    case (unsigned)VIDIOC_QUERYCTRL: return query_old(camera, argument);
    case (unsigned)VIDIOC_QUERYMENU: return query_menu(argument);
    case (unsigned)VIDIOC_G_CTRL: return get(camera, one->id, &one->value);
    case (unsigned)VIDIOC_S_CTRL: return set(camera, one->id, one->value);
    case (unsigned)VIDIOC_G_EXT_CTRLS: return each(camera, argument, false);
    case (unsigned)VIDIOC_S_EXT_CTRLS: return each(camera, argument, true);
    default: return fail(ENOTTY);
    }
}

// ---- libc

// The open fake camera behind a descriptor; the lock is held while there is one.
static struct handle *locked(int fd) {
    pthread_mutex_lock(&lock);
    for (int i = 0; fd >= 0 && i < HANDLES; i++)
        if (handles[i].camera && handles[i].fd == fd) return &handles[i];
    pthread_mutex_unlock(&lock);
    return NULL;
}

enum { NOT_OURS = -2 };

// Opens `path` where it is a fake camera.
static int opened(const char *path) {
    struct camera *camera = NULL;
    for (int i = 0; path && i < camera_count; i++)
        if (!strcmp(path, cameras[i].path)) camera = &cameras[i];
    if (!camera) return NOT_OURS;
    int ends[2];
    pthread_mutex_lock(&lock);
    struct handle *h = handles;
    while (h < handles + HANDLES && h->camera) h++;
    if (says(camera, "unplug") || h == handles + HANDLES) {
        pthread_mutex_unlock(&lock);
        return fail(h == handles + HANDLES ? EMFILE : ENOENT);
    }
    load(camera);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)) abort();
    *h = (struct handle){.fd = ends[0], .peer = ends[1], .memory = -1, .camera = camera, .interval = {1, 15}};
    agree(h, &h->format);
    note(camera, "open", ends[0]);
    pthread_mutex_unlock(&lock);
    return ends[0];
}

#define OPEN(name, folder, real, ...)                                     \
    int name(folder const char *path, int flags, ...) {                   \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest);                                                     \
        resolve();                                                        \
        int fd = opened(path);                                            \
        return fd != NOT_OURS ? fd : real(__VA_ARGS__, flags, mode);      \
    }
#define NO_FOLDER
#define FOLDER int folder,
OPEN(open, NO_FOLDER, real_open, path)
OPEN(open64, NO_FOLDER, real_open, path)
OPEN(openat, FOLDER, real_openat, folder, path)
OPEN(openat64, FOLDER, real_openat, folder, path)

int close(int fd) {
    resolve();
    struct handle *h = locked(fd);
    if (!h) return real_close(fd);
    hung(h);
    release(h);
    if (h->peer >= 0) real_close(h->peer);
    note(h->camera, "close", fd);
    h->camera = NULL;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

static int control_call(int fd, unsigned long request, void *argument, bool *is_ours) {
    struct handle *h = _IOC_TYPE(request) == 'V' ? locked(fd) : NULL;
    if (!(*is_ours = h != NULL)) return 0;
    int result = call(h, request, argument);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    resolve();
    bool is_ours;
    int result = control_call(fd, request, argument, &is_ours);
    return is_ours ? result : real_ioctl(fd, request, argument);
}

long syscall(long number, ...) {
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    resolve();
    bool is_ours = false;
    long result = number == SYS_ioctl ? control_call(a[0], (unsigned)a[1], (void *)a[2], &is_ours) : 0;
    return is_ours ? result : real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    resolve();
    struct handle *h = fd >= 0 ? locked(fd) : NULL;
    if (h) {
        fd = h->memory;
        pthread_mutex_unlock(&lock);
    }
    return real_mmap(address, length, protection, flags, fd, offset);
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));
