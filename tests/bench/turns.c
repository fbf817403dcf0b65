/* Asks several peers in turns of half a second, over connections that each of them keeps, and says of each what it took.
 * What a shared machine does to one it does to the others as well: so short a time apart they can be held against one
 * another where whole rounds of seconds cannot.
 *
 *     turns SECONDS CONNECTIONS PORT,RATE,REQUESTS,PID[+PID...] ...
 *
 * SECONDS is how long each peer is asked in all. RATE 0: each connection asks again as soon as it was answered. Else so many
 * a second are due at fixed times whether or not earlier ones were answered, and their time runs from then: a slow answer
 * delays nothing that is measured after it, and nobody waits unseen. REQUESTS is a file of heads, taken one after the other.
 * A turn has a beginning that does not count, in which what was asleep wakes, and ends when its last answer has come; CPU
 * time is that of the processes until a moment after.
 *
 * A line of JSON for each peer, in their order; `p99_short` is the median of the 99th percentiles of each twentieth of a
 * second, and `first` and `second` are how busy the cores were. HTTP/1.1 on 127.0.0.1, answers with Content-Length. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TURN 0.5
#define LEAD 0.05
#define SHORT 0.05
/* Until what a proxy does after its answers, as writing its log, is done. */
#define MOMENT 0.012
/* Whoever has not answered so long after the end of a turn will not. */
#define PATIENCE 2.0
/* Taken at once, at most. */
#define EVENTS 128
#define PIDS 64

struct line { int fd; double due; long number, left; int busy, head; char held[16384]; };
struct use { double ran, switches, user, system, busy[2], idle[2]; };
struct peer {
    double rate;
    int pids[PIDS], poll, idle, refused;
    char **texts;
    size_t *sizes;
    long kinds, next, sent, done, asked, counted, room;
    struct line *lines, **free_lines;
    float *took;
    double seconds;
    struct use used;
};

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static void fail(const char *why) {
    perror(why);
    exit(1);
}

static FILE *opened(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file) fail(path);
    return file;
}

/* 1: the answer is complete; 0: more is to come; -1: it is no answer that we take. */
static int take(struct line *line, int *refused) {
    static char scratch[65536];
    for (;;) {
        if (line->left < 0) {
            long n = recv(line->fd, line->held + line->head, sizeof line->held - 1 - line->head, MSG_DONTWAIT);
            if (n < 0) return 0;
            if (n == 0) return -1;
            line->head += n;
            line->held[line->head] = 0;
            char *end = strstr(line->held, "\r\n\r\n");
            if (!end) continue;
            char *length = strcasestr(line->held, "\r\nContent-Length:");
            if (!length || length > end) return -1;
            if (memcmp(line->held + 9, "200", 3)) ++*refused;
            line->left = atol(length + 17) - (line->held + line->head - end - 4);
        } else {
            long want = line->left < (long)sizeof scratch ? line->left : (long)sizeof scratch;
            if (want == 0) return 1;
            long n = recv(line->fd, scratch, want, MSG_DONTWAIT);
            if (n < 0) return 0;
            if (n == 0) return -1;
            line->left -= n;
        }
    }
}

/* One more that is owed an answer, and where its time is kept if it counts. */
static long owe(struct peer *peer, int counts) {
    peer->sent++;
    if (!counts) return -1;
    if (peer->counted == peer->room && !(peer->took = realloc(peer->took, (peer->room = 2 * peer->counted + 1024) * sizeof *peer->took))) fail("memory");
    peer->took[peer->counted] = -1;
    return peer->counted++;
}

static void ask(struct peer *peer, double due, int counts) {
    struct line *line = peer->free_lines[--peer->idle];
    long kind = peer->next++ % peer->kinds;
    line->left = -1;
    line->head = 0;
    line->busy = 1;
    line->due = due;
    line->number = owe(peer, counts);
    if (send(line->fd, peer->texts[kind], peer->sizes[kind], MSG_NOSIGNAL) != (long)peer->sizes[kind]) fail("send");
}

/* Takes what comes within `wait` seconds; connections that were answered are free again. */
static void taken(struct peer *peer, double wait) {
    struct epoll_event events[EVENTS];
    struct timespec limit = { .tv_nsec = wait < 0 ? 0 : wait > 0.1 ? 1e8 : wait * 1e9 };
    int ready = epoll_pwait2(peer->poll, events, EVENTS, &limit, NULL);
    for (int i = 0; i < ready; i++) {
        struct line *line = events[i].data.ptr;
        int state = line->busy ? take(line, &peer->refused) : -1;
        if (state < 0) { fprintf(stderr, "a connection was closed, or an answer has no length\n"); exit(1); }
        if (state == 0) continue;
        line->busy = 0;
        if (line->number >= 0) peer->took[line->number] = now() - line->due;
        peer->done++;
        peer->free_lines[peer->idle++] = line;
    }
}

/* How often the threads of a process went to sleep, or were sent to. */
static double switches(int pid) {
    char path[64], name[384], words[256];
    double found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads) fail(path);
    for (struct dirent *thread; (thread = readdir(threads));) {
        snprintf(name, sizeof name, "%s/%s/status", path, thread->d_name);
        FILE *file = thread->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (!file) continue;
        while (fgets(words, sizeof words, file))
            if (strstr(words, "ctxt_switches:")) found += atof(strchr(words, ':') + 1);
        fclose(file);
    }
    closedir(threads);
    return found;
}

/* Adds what the processes have run (to the nanosecond, threads that have ended among it), how that falls to user and system,
 * their switches, and how busy the cores were, `sign` times. */
static void look(struct peer *peer, int sign) {
    char path[64];
    double ticks = sysconf(_SC_CLK_TCK);
    for (int i = 0; i < PIDS && peer->pids[i]; i++) {
        clockid_t clock;
        struct timespec ran;
        if (clock_getcpuclockid(peer->pids[i], &clock) || clock_gettime(clock, &ran)) fail("a process has gone");
        peer->used.ran += sign * (ran.tv_sec + ran.tv_nsec * 1e-9);
        peer->used.switches += sign * switches(peer->pids[i]);
        long user, system;
        snprintf(path, sizeof path, "/proc/%d/stat", peer->pids[i]);
        FILE *file = opened(path, "r");
        if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2) fail(path);
        fclose(file);
        peer->used.user += sign * (user / ticks);
        peer->used.system += sign * (system / ticks);
    }
    FILE *file = opened("/proc/stat", "r");
    if (fscanf(file, "%*[^\n]\n") == EOF) fail("/proc/stat");
    for (int core = 0; core < 2; core++) {
        double at[8];
        if (fscanf(file, "cpu%*d %lf %lf %lf %lf %lf %lf %lf %lf%*[^\n]\n", at, at + 1, at + 2, at + 3, at + 4, at + 5, at + 6, at + 7) != 8) fail("/proc/stat");
        peer->used.busy[core] += sign * (at[0] + at[1] + at[2] + at[5] + at[6] + at[7]) / ticks;
        peer->used.idle[core] += sign * (at[3] + at[4]) / ticks;
    }
    fclose(file);
}

/* Asks for what is due by now, as far as connections are free; how long the next is away, or `end` if there is none. */
static double ask_what_is_due(struct peer *peer, double start, long begun, double end, int counts) {
    for (long total = peer->rate * (end - start) + 0.5; peer->idle && peer->sent - begun < total;) {
        double due = start + (peer->sent - begun) / peer->rate;
        if (due > now()) return due - now();
        ask(peer, due, counts);
    }
    return end - now();
}

/* Asks until `end`, and takes the answers. */
static void work(struct peer *peer, int lines, double start, double end, int counts) {
    long begun = peer->sent, due = peer->rate * (end - start) + 0.5;
    for (double at = start; at < end; at = now()) {
        while (!peer->rate && peer->idle) ask(peer, at, counts);
        taken(peer, peer->rate ? ask_what_is_due(peer, start, begun, end, counts) : end - at);
    }
    /* Those that found no connection free are due all the same. */
    while ((peer->idle < lines || peer->sent - begun < due) && now() < end + PATIENCE) {
        if (peer->rate) ask_what_is_due(peer, start, begun, end, counts);
        taken(peer, 0.1);
    }
    /* For whom none became free, nobody was there to answer. */
    while (peer->sent - begun < due) owe(peer, counts);
}

static void turn(struct peer *peer, int lines) {
    double start = now();
    work(peer, lines, start, start + LEAD, 0);
    long sent = peer->sent;
    look(peer, -1);
    start = now();
    work(peer, lines, start, start + TURN, 1);
    peer->seconds += now() - start;
    peer->asked += peer->sent - sent;
    usleep(MOMENT * 1e6);
    look(peer, 1);
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Of each `count` that were due one after the other; the last few that are fewer are left out. */
static float of_shorts(float *took, long total, long count) {
    long shorts = count ? total / count : 0;
    if (!shorts) return 0;
    float *each = malloc(shorts * sizeof *each);
    for (long i = 0; i < shorts; i++) {
        qsort(took + i * count, count, sizeof *took, by_size);
        each[i] = took[i * count + count * 99 / 100];
    }
    qsort(each, shorts, sizeof *each, by_size);
    float middle = each[shorts / 2];
    free(each);
    return middle;
}

/* The heads of a file, each with the empty line that ends it. */
static void read_texts(struct peer *peer, const char *path) {
    FILE *file = opened(path, "r");
    char *text = NULL;
    size_t room = 0;
    if (getdelim(&text, &room, 0, file) <= 0) fail(path);
    fclose(file);
    for (char *end; (end = strstr(text, "\r\n\r\n")); text = end + 4, peer->kinds++) {
        peer->texts = realloc(peer->texts, (peer->kinds + 1) * sizeof *peer->texts);
        peer->sizes = realloc(peer->sizes, (peer->kinds + 1) * sizeof *peer->sizes);
        peer->texts[peer->kinds] = text;
        peer->sizes[peer->kinds] = end + 4 - text;
    }
    if (!peer->kinds) fail("no requests");
}

static void begin(struct peer *peer, char *words, int lines) {
    int port = atoi(strtok(words, ",")), yes = 1, count = 0;
    peer->rate = atof(strtok(NULL, ","));
    read_texts(peer, strtok(NULL, ","));
    for (char *pid; (pid = strtok(NULL, "+")); peer->pids[count++] = atoi(pid))
        if (count == PIDS) fail("more processes than there is room for");
    peer->poll = epoll_create1(0);
    peer->lines = calloc(lines, sizeof *peer->lines);
    peer->free_lines = malloc(lines * sizeof *peer->free_lines);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (; peer->idle < lines; peer->idle++) {
        struct line *line = peer->free_lines[peer->idle] = peer->lines + peer->idle;
        line->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(line->fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
        setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = line };
        epoll_ctl(peer->poll, EPOLL_CTL_ADD, line->fd, &event);
    }
    /* All at once, before anything counts: what is measured is connections that are kept, on both sides of a proxy. */
    while (peer->idle) ask(peer, now(), 0);
    for (double end = now() + PATIENCE; peer->idle < lines && now() < end;) taken(peer, 0.1);
    peer->sent = peer->done = 0;
}

static void tell(struct peer *peer) {
    struct use *used = &peer->used;
    double split = used->user + used->system, cores[2];
    for (int core = 0; core < 2; core++) cores[core] = used->busy[core] / (used->busy[core] + used->idle[core]);
    /* Who was not answered by now has waited as long as anybody was waited for. */
    for (long i = 0; i < peer->counted; i++)
        if (peer->took[i] < 0) peer->took[i] = PATIENCE + TURN;
    float p99_short = of_shorts(peer->took, peer->counted, peer->rate * SHORT < 1 ? 1 : peer->rate * SHORT);
    qsort(peer->took, peer->counted, sizeof *peer->took, by_size);
    printf("{\"requests\": %ld, \"unanswered\": %ld, \"errors\": %d, \"seconds\": %.3f, \"cpu\": %.6f, \"user\": %.6f, \"switches\": %.0f, \"first\": %.4f, \"second\": %.4f, "
           "\"p50\": %.7f, \"p99\": %.7f, \"p99_short\": %.7f, \"max\": %.7f}\n",
           peer->asked - (peer->sent - peer->done), peer->sent - peer->done, peer->refused, peer->seconds, used->ran, split > 0 ? used->ran * used->user / split : 0, used->switches, cores[0], cores[1],
           peer->took[peer->counted / 2], peer->took[peer->counted * 99 / 100], p99_short, peer->took[peer->counted - 1]);
}

int main(int count, char **words) {
    if (count < 4) return 2;
    int lines = atoi(words[2]), peers = count - 3;
    long turns = atof(words[1]) / TURN + 0.5;
    struct peer *all = calloc(peers, sizeof *all);
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < peers; i++) begin(all + i, words[3 + i], lines);
    int *order = calloc(peers, sizeof *order);
    for (int i = 0; i < peers; i++) order[i] = i;
    srand(getpid());
    /* Each time in another order: nobody always comes first, or after the same one. */
    while (turns--) {
        for (int i = peers - 1; i > 0; i--) {
            int other = rand() % (i + 1), one = order[i];
            order[i] = order[other];
            order[other] = one;
        }
        for (int i = 0; i < peers; i++) turn(all + order[i], lines);
    }
    for (int i = 0; i < peers; i++) tell(all + i);
    return 0;
}
