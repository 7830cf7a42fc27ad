/* The load client: subscribers, publisher and stop-watch in one thread, so that one clock stamps and reads.

   load PORTS PATH SCRIPT FRAMES PUBLISHED_TO

   PORTS are separated by commas; connections take turns. Publications go to the port PUBLISHED_TO. SCRIPT is a file with
   FRAMES lines for each connection: what it says after its handshake, each line once the previous one has been answered;
   the line "-" says nothing, and waits for what the server says by itself. Connections have sixteen addresses of the
   loopback network among them, each of which has ports of its own. Commands come line by line on the standard input, each
   is answered by one line of JSON:

   open N AT_ONCE                      N more WebSocket connections, at most AT_ONCE of them on their way at a time; the
                                       answer has how long each took until its script had ended
   run FILE COUNT BURST RATE GRACE REQUESTS REACH
                                       send COUNT HTTP requests: RATE of them in a second, or with RATE 0 each one after
                                       the one before has reached everybody. FILE has REQUESTS of them, all of one length,
                                       which take turns. A request publishes BURST messages, each to REACH connections
                                       (0 is all that read); the nineteen digits after each "sent":" become the time at
                                       which the request was due. Ends when everything has come, or after GRACE seconds
                                       in which nothing did.
   stall                               from now on, do not read from the first connection

   A connection that is lost during a run is counted, and misses what is still to come. Whatever else cannot be (a refused
   handshake, an error reply) is answered with {"failed": …} and the end. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 16
#define BURST_MAX 64
#define ADDRESSES 16
#define STAMP "\"sent\":\""
#define DIGITS 19

typedef long long nanoseconds;

struct connection {
    int fd;
    bool upgraded, stalled;
    long number, answered; /* of the script's frames */
    char *input;
    size_t length, room;
    long received;
    nanoseconds begun, taken;  /* when it was opened, and how long it took until its script had ended */
    nanoseconds newest; /* the latest stamp seen */
};

static struct {
    char *requests;
    size_t size, offset, marks[BURST_MAX];         /* of one request; how much of it is written; its places for stamps */
    long request_count, reach;                     /* requests that take turns; who gets each message */
    long count, burst, published, written, answers; /* in requests, but for the burst */
    int fd, matched;
    bool blocked;
    nanoseconds interval, grace, started, stirred, *stamps, *latencies;
    long received, disordered, closed;
    long long bytes;
} run = {.fd = -1};

static struct connection **connections;
static long connection_count, ready, reading, script_frames;
static char **script;
static long script_lines;
static const char *path;
static int ports[PORTS_MAX], port_count, published_to, events_fd;

static void fail(const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *at = text; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    printf("{\"failed\": \"%s\"}\n", text);
    fflush(stdout);
    exit(1);
}

static nanoseconds clock_at(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static nanoseconds now(void)
{
    return clock_at(CLOCK_MONOTONIC);
}

static void lose(struct connection *connection, const char *why)
{
    if (run.fd < 0)
        fail("connection %ld was lost: %s", connection->number, why);
    close(connection->fd);
    connection->fd = -1;
    run.closed++;
}

static void watch(int fd, void *owner, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    epoll_ctl(events_fd, operation, fd, &event);
}

/* From the address 127.0.0.1 + `from`. Its port is chosen when it connects, so that each pair of addresses has them all. */
static int connected(int port, int from)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)}, own = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + from);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) || connect(fd, (struct sockaddr *)&address, sizeof address))
        fail("no connection: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* What a connection says. A client's frame is masked (RFC 6455, section 5.3); the mask of zeros spares the work. */
static void say(struct connection *connection, int opcode, const char *text, size_t length)
{
    uint8_t frame[4096] = {0x80 | opcode};
    size_t head = length < 126 ? 2 : 4;
    if (length + 8 > sizeof frame)
        fail("a first message of %zu bytes", length);
    frame[1] = 0x80 | (length < 126 ? length : 126);
    if (head == 4)
        frame[2] = length >> 8, frame[3] = length;
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, text, length);
    send(connection->fd, frame, head + 4 + length, MSG_NOSIGNAL);
}

static void follow_script(struct connection *connection)
{
    if (connection->answered == script_frames) {
        connection->taken = now() - connection->begun;
        ready++;
        return;
    }
    const char *line = script[connection->number * script_frames + connection->answered];
    if (strcmp(line, "-"))
        say(connection, 1, line, strlen(line));
}

/* What a connection hears. */
static void take_publication(struct connection *connection, const char *digits)
{
    char text[DIGITS + 1] = {0};
    nanoseconds sent = atoll(memcpy(text, digits, DIGITS)), at = now();
    if (sent < run.started || run.received == run.count * run.burst * run.reach)
        return; /* what an earlier run gave up waiting for */
    run.latencies[run.received++] = at - sent;
    run.disordered += sent <= connection->newest;
    run.stirred = at;
    connection->newest = sent;
    connection->received++;
}

static void take_message(struct connection *connection, const char *text, size_t length)
{
    const char *stamp = memmem(text, length, STAMP, strlen(STAMP));
    if (connection->answered < script_frames) {
        if (memmem(text, length, "\"error\"", 7))
            fail("the answer to a first message was %.*s", (int)length, text);
        connection->answered++;
        follow_script(connection);
    } else if (stamp) {
        take_publication(connection, stamp + strlen(STAMP));
    } else if (length == 2) {
        say(connection, 1, text, length); /* a ping of the Centrifuge protocol */
    } else if (length == 1 && *text == '2') {
        say(connection, 1, "3", 1); /* one of Engine.IO */
    }
}

/* Several messages may share a frame, one on each line. */
static void take_text(struct connection *connection, const char *text, size_t length)
{
    while (length) {
        const char *stop = memchr(text, '\n', length);
        size_t size = stop ? (size_t)(stop - text) : length;
        take_message(connection, text, size);
        size_t step = stop ? size + 1 : size;
        text += step, length -= step;
    }
}

/* Answers the frame's length, 0 while it is not complete. */
static size_t take_frame(struct connection *connection, const uint8_t *frame, size_t length)
{
    size_t head = 2, size;
    if (length < head)
        return 0;
    size = frame[1];
    head += size == 127 ? 8 : size == 126 ? 2 : 0;
    if (length < head)
        return 0;
    if (head > 2)
        size = 0;
    for (size_t at = 2; at < head; at++)
        size = size << 8 | frame[at];
    if (length < head + size)
        return 0;
    const char *text = (const char *)frame + head;
    if (frame[0] == 0x81)
        take_text(connection, text, size);
    else if (frame[0] == 0x89)
        say(connection, 10, text, size);
    else if (frame[0] == 0x88)
        lose(connection, "closed by the server");
    else
        fail("connection %ld was sent a frame that begins with %02x", connection->number, frame[0]);
    run.bytes += head + size;
    return head + size;
}

static size_t take_upgrade(struct connection *connection)
{
    char *end = memmem(connection->input, connection->length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (strncmp(connection->input, "HTTP/1.1 101", 12))
        fail("the handshake was answered with %.80s", connection->input);
    connection->upgraded = true;
    follow_script(connection);
    return end + 4 - connection->input;
}

static void hear(struct connection *connection)
{
    if (connection->room - connection->length < 2048)
        connection->input = realloc(connection->input, connection->room = connection->room ? 2 * connection->room : 4096);
    ssize_t came = recv(connection->fd, connection->input + connection->length, connection->room - connection->length, 0);
    if (came <= 0) {
        lose(connection, "no close frame");
        return;
    }
    connection->length += came;
    size_t done = connection->upgraded ? 0 : take_upgrade(connection);
    for (size_t size; connection->upgraded && (size = take_frame(connection, (uint8_t *)connection->input + done,
                                                                 connection->length - done));)
        done += size;
    connection->length -= done;
    memmove(connection->input, connection->input + done, connection->length);
}

/* The publisher */

static void stamp_request(char *request, nanoseconds sent)
{
    for (long at = 0; at < run.burst; at++) {
        char digits[DIGITS + 2];
        snprintf(digits, sizeof digits, "%019lld", sent + at); /* each message its own stamp: they tell the order */
        memcpy(request + run.marks[at], digits, DIGITS);
    }
}

static void write_requests(void)
{
    bool blocked = false;
    while (run.written < run.published && !blocked) {
        char *request = run.requests + run.written % run.request_count * run.size;
        if (!run.offset)
            stamp_request(request, run.stamps[run.written]);
        ssize_t sent = send(run.fd, request + run.offset, run.size - run.offset, MSG_NOSIGNAL);
        if (sent > 0)
            run.offset += sent;
        if (run.offset == run.size)
            run.offset = 0, run.written++;
        blocked = sent <= 0;
    }
    if (blocked != run.blocked)
        watch(run.fd, NULL, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    run.blocked = blocked;
}

/* Counts the status lines; a body with an error in it is the API's way to refuse. */
static void read_answers(void)
{
    static const char status[] = "HTTP/1.1 2";
    char input[4096];
    ssize_t came = recv(run.fd, input, sizeof input - 1, 0);
    if (came <= 0)
        fail("the publisher's connection was lost");
    input[came] = 0;
    if (strstr(input, "\"error\"") || (!strncmp(input, status, 9) && input[9] != '2'))
        fail("publishing was answered with %.300s", input);
    for (ssize_t at = 0; at < came; at++) {
        run.matched = input[at] == status[run.matched] ? run.matched + 1 : input[at] == 'H';
        if (status[run.matched])
            continue;
        run.matched = 0;
        run.answers++;
    }
}

/* In nanoseconds, which epoll_wait() does not take: what is sent late would be counted as late. */
static void wait_for_events(nanoseconds timeout)
{
    struct pollfd any = {.fd = events_fd, .events = POLLIN};
    struct timespec longest = {.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000};
    struct epoll_event events[512];
    int count = epoll_wait(events_fd, events, 512, 0);
    if (!count && timeout && ppoll(&any, 1, &longest, NULL) > 0)
        count = epoll_wait(events_fd, events, 512, 0);
    for (int at = 0; at < count; at++) {
        if (events[at].data.ptr)
            hear(events[at].data.ptr);
        else if (events[at].events & EPOLLIN)
            read_answers();
        if (!events[at].data.ptr && events[at].events & EPOLLOUT)
            write_requests();
    }
}

static int ascending(const void *one, const void *other)
{
    nanoseconds left = *(const nanoseconds *)one, right = *(const nanoseconds *)other;
    return (left > right) - (left < right);
}

/* The nearest rank: the smallest of the sorted times that this share of all does not exceed. */
static double percentile_ms(const nanoseconds *times, long count, double share)
{
    long rank = (long)(share * count + 0.999999);
    return count ? times[rank > 1 ? rank - 1 : 0] / 1e6 : 0;
}

/* Sorts the times, and ends the line of JSON. */
static void print_percentiles(nanoseconds *times, long count)
{
    qsort(times, count, sizeof *times, ascending);
    printf(", \"p50_ms\": %.4f, \"p95_ms\": %.4f, \"p99_ms\": %.4f}\n", percentile_ms(times, count, 0.50),
           percentile_ms(times, count, 0.95), percentile_ms(times, count, 0.99));
}

/* Commands */

static void report_opened(long more, double seconds, double cpu_seconds)
{
    nanoseconds *times = calloc(more, sizeof *times);
    for (long each = 0; each < more; each++)
        times[each] = connections[connection_count - more + each]->taken;
    printf("{\"open\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f", connection_count, seconds, cpu_seconds);
    print_percentiles(times, more);
    free(times);
}

static void open_connections(long more, long at_once)
{
    nanoseconds started = now(), cpu = clock_at(CLOCK_PROCESS_CPUTIME_ID);
    long goal = connection_count + more;
    if (goal * script_frames > script_lines)
        fail("the script has lines for fewer than %ld connections", goal);
    connections = realloc(connections, goal * sizeof *connections);
    while (ready < goal) {
        while (connection_count < goal && connection_count - ready < at_once) {
            struct connection *fresh = calloc(1, sizeof *fresh);
            *fresh = (struct connection){.begun = now(), .number = connection_count};
            int port = ports[connection_count % port_count];
            fresh->fd = connected(port, fresh->number % ADDRESSES);
            connections[connection_count++] = fresh;
            watch(fresh->fd, fresh, EPOLL_CTL_ADD, EPOLLIN);
            dprintf(fresh->fd,
                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                    path, port);
        }
        wait_for_events(1000000000);
    }
    reading += more;
    report_opened(more, (now() - started) / 1e9, (clock_at(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9);
}

/* The receive buffer grew while the connection was read, up to tens of megabytes; none of that shall stand in now. */
static void stall(void)
{
    int size = 1 << 16;
    setsockopt(connections[0]->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    connections[0]->stalled = true;
    reading--;
    watch(connections[0]->fd, connections[0], EPOLL_CTL_DEL, 0);
    printf("{\"stalled\": 1}\n");
}

static char *contents(const char *file, size_t *size)
{
    FILE *stream = fopen(file, "rb");
    if (!stream)
        fail("%s cannot be read", file);
    fseek(stream, 0, SEEK_END);
    *size = ftell(stream);
    rewind(stream);
    char *text = calloc(1, *size + 1);
    if (fread(text, 1, *size, stream) != *size)
        fail("%s cannot be read", file);
    fclose(stream);
    return text;
}

static void prepare_run(const char *file, long count, long burst, double rate, double grace, long requests, long reach)
{
    if (burst > BURST_MAX)
        fail("a burst of more than %d", BURST_MAX);
    memset(&run, 0, sizeof run);
    run.count = count, run.burst = burst, run.grace = grace * 1e9, run.interval = rate > 0 ? 1e9 / rate : 0;
    run.requests = contents(file, &run.size);
    run.size /= requests, run.request_count = requests, run.reach = reach ? reach : reading;
    char *at = run.requests;
    for (long mark = 0; mark < burst; mark++) {
        at = memmem(at, run.requests + run.size - at, STAMP, strlen(STAMP));
        if (!at)
            fail("the request has fewer than %ld places for a stamp", burst);
        run.marks[mark] = (at += strlen(STAMP)) - run.requests;
    }
    run.stamps = calloc(count, sizeof *run.stamps);
    run.latencies = calloc(count * burst * run.reach, sizeof *run.latencies);
    run.fd = connected(published_to, 0);
    watch(run.fd, NULL, EPOLL_CTL_ADD, EPOLLIN);
    for (long each = 0; each < connection_count; each++)
        connections[each]->received = connections[each]->newest = 0;
}

static bool is_due(nanoseconds at)
{
    if (run.published == run.count)
        return false;
    if (run.interval)
        return at >= run.started + run.published * run.interval;
    return run.received == run.published * run.burst * run.reach && run.answers == run.published;
}

static void publish_until_done(void)
{
    long expected = run.count * run.burst * run.reach;
    run.started = run.stirred = now();
    while (run.received < expected || run.answers < run.count) {
        nanoseconds at = now(), patience = 100000000;
        if (is_due(at)) {
            run.stamps[run.published] = run.interval ? run.started + run.published * run.interval : at;
            run.stirred = at, run.published++;
            write_requests();
        }
        if (at - run.stirred > run.grace)
            return;
        if (run.interval && run.published < run.count)
            patience = run.started + run.published * run.interval - at;
        wait_for_events(patience > 0 ? patience : 0);
    }
}

static void report(double seconds, double cpu_seconds)
{
    long fewest = run.count * run.burst, most = 0;
    for (long each = 0; each < connection_count; each++) {
        if (connections[each]->stalled)
            continue;
        fewest = connections[each]->received < fewest ? connections[each]->received : fewest;
        most = connections[each]->received > most ? connections[each]->received : most;
    }
    printf("{\"expected\": %ld, \"received\": %ld, \"fewest\": %ld, \"most\": %ld, \"disordered\": %ld, \"closed\": %ld, "
           "\"bytes\": %lld, \"seconds\": %.6f, \"cpu_seconds\": %.6f",
           run.count * run.burst * run.reach, run.received, fewest, most, run.disordered, run.closed, run.bytes, seconds, cpu_seconds);
    print_percentiles(run.latencies, run.received);
}

static void run_once(void)
{
    nanoseconds cpu = clock_at(CLOCK_PROCESS_CPUTIME_ID);
    publish_until_done();
    report((now() - run.started) / 1e9, (clock_at(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9);
    close(run.fd);
    run.fd = -1;
    free(run.requests);
    free(run.stamps);
    free(run.latencies);
}

static void obey(const char *command)
{
    char file[4096];
    long count, burst, at_once, requests, reach;
    double rate, grace;
    if (sscanf(command, "open %ld %ld", &count, &at_once) == 2) {
        open_connections(count, at_once);
    } else if (sscanf(command, "run %4095s %ld %ld %lf %lf %ld %ld", file, &count, &burst, &rate, &grace, &requests,
                      &reach) == 7) {
        prepare_run(file, count, burst, rate, grace, requests, reach);
        run_once();
    } else if (!strncmp(command, "stall", 5)) {
        stall();
    } else {
        fail("there is no command %s", command);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char command[8192];
    size_t size;
    if (argc != 6)
        return fprintf(stderr, "usage: load PORTS PATH SCRIPT FRAMES PUBLISHED_TO\n"), 2;
    for (char *at = strtok(argv[1], ","); at && port_count < PORTS_MAX; at = strtok(NULL, ","))
        ports[port_count++] = atoi(at);
    path = argv[2], script_frames = atol(argv[4]), published_to = atoi(argv[5]);
    char *text = contents(argv[3], &size);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        script = realloc(script, (script_lines + 1) * sizeof *script);
        script[script_lines++] = line;
    }
    events_fd = epoll_create1(0);
    while (fgets(command, sizeof command, stdin))
        obey(command);
}
