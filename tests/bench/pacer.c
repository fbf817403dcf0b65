/* Sends requests at a steady rate, whether or not earlier ones were answered, and says how long each took from the moment
 * it was due: a slow answer delays nothing that is measured after it, and nobody waits unseen.
 *
 *     pacer PORT RATE SECONDS CONNECTIONS REQUEST-FILE
 *
 * One line of JSON; `p99_short` is the median of the 99th percentiles of each twentieth of a second. HTTP/1.1 on 127.0.0.1,
 * answers with Content-Length. A request that finds every connection taken waits for one, and its time runs. Before the
 * first, each connection has had one that is not counted, all at once: what is measured is connections that are kept, on
 * both sides of a proxy. */
#define _GNU_SOURCE
#include <arpa/inet.h>
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

/* Taken in one turn, at most. */
#define EVENTS 128
#define SHORT 0.05

struct line { int fd; double due; long number, left; int busy, head; char held[16384]; };

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static void fail(const char *why) {
    perror(why);
    exit(1);
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

/* 1: the answer is complete; 0: more is to come; -1: it is no answer that we take. */
static int take(struct line *line, int *refused) {
    char scratch[65536];
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

static void ask(struct line *line, const char *request, size_t size) {
    line->left = -1;
    line->head = 0;
    line->busy = 1;
    if (send(line->fd, request, size, MSG_NOSIGNAL) != (long)size) fail("send");
}

/* Takes what has come within `limit`, or without end if there is none, into `over`: whose answers are complete. */
static int taken(int poll, const struct timespec *limit, int *refused, struct line **over) {
    struct epoll_event events[EVENTS];
    int ready = epoll_pwait2(poll, events, EVENTS, limit, NULL), count = 0;
    for (int i = 0; i < ready; i++) {
        struct line *line = events[i].data.ptr;
        int state = line->busy ? take(line, refused) : -1;
        if (state < 0) { fprintf(stderr, "a connection was closed, or an answer has no length\n"); exit(1); }
        if (state == 0) continue;
        line->busy = 0;
        over[count++] = line;
    }
    return count;
}

int main(int count, char **words) {
    if (count != 6) return 2;
    double rate = atof(words[2]), seconds = atof(words[3]);
    int lines = atoi(words[4]), free_lines = lines, refused = 0;
    static char request[65536];
    FILE *file = fopen(words[5], "r");
    if (!file) fail(words[5]);
    size_t size = fread(request, 1, sizeof request, file);
    prctl(PR_SET_TIMERSLACK, 1);

    int poll = epoll_create1(0), yes = 1;
    struct line *all = calloc(lines, sizeof *all), **free_list = malloc(lines * sizeof *free_list);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < lines; i++) {
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    for (int i = 0; i < lines; i++) ask(&all[i], request, size);
    for (int answered = 0; answered < lines;) answered += taken(poll, NULL, &refused, free_list + answered);
    long total = rate * seconds + 1, sent = 0, done = 0;
    float *took = malloc((total + 1) * sizeof *took);
    for (long i = 0; i < total; i++) took[i] = -1;
    double start = now() + 0.01, end = start + seconds + 2;
    while (done < total && now() < end) {
        double at = now();
        while (sent < total && free_lines && start + sent / rate <= at) {
            struct line *line = free_list[--free_lines];
            line->number = sent;
            line->due = start + sent++ / rate;
            ask(line, request, size);
        }
        double wait = sent < total && free_lines ? start + sent / rate - now() : 0.1;
        if (wait < 0) wait = 0;
        struct timespec limit = { .tv_sec = 0, .tv_nsec = wait * 1e9 };
        int answered = taken(poll, &limit, &refused, free_list + free_lines);
        for (; answered; answered--, done++) {
            struct line *line = free_list[free_lines++];
            took[line->number] = now() - line->due;
        }
    }
    double elapsed = now() - start;
    /* Who was not answered by now has waited since it was due. */
    for (long i = 0; i < total; i++)
        if (took[i] < 0) took[i] = elapsed - i / rate;
    float p99_short = of_shorts(took, total, rate * SHORT < 1 ? 1 : rate * SHORT);
    qsort(took, total, sizeof *took, by_size);
    printf("{\"requests\": %ld, \"unanswered\": %ld, \"errors\": %d, \"seconds\": %.3f, \"p50\": %.7f, \"p99\": %.7f, \"p99_short\": %.7f, \"max\": %.7f}\n",
           done, total - done, refused, elapsed, took[total / 2], took[total * 99 / 100], p99_short, took[total - 1]);
    return 0;
}
