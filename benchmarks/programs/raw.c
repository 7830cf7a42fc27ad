/* The raw loop: the least that a server can do to deliver.

   raw PORT

   GET …   makes the connection a subscriber. The answer is a WebSocket handshake that computes nothing: the load client
           always sends the nonce of RFC 6455, section 1.3, whose accept value is known. Whatever a subscriber says
           later is answered with the message {}.
   POST …  publishes the lines of the body. Each line is framed once. Then each subscriber in turn is given all of them:
           one send() for each line, one after another.

   A subscriber that does not read makes nobody wait: of a frame that fits only in part the rest is kept until it fits,
   and what comes in the meantime is dropped. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINES 64

struct peer {
    int fd;
    long place;        /* among the subscribers; -1 while it is none */
    char *request;     /* what came of a request that is not complete yet */
    size_t request_length;
    char *rest;        /* what did not fit of the last frame */
    size_t rest_length;
};

struct frame {
    char *bytes;
    size_t length;
};

static int events_fd;
static struct peer **subscribers;
static long subscriber_count, subscriber_room;
static char input[1 << 16];

static void watch(struct peer *peer, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = peer};
    epoll_ctl(events_fd, operation, peer->fd, &event);
}

/* Delivering */

static void keep_rest(struct peer *peer, const char *bytes, size_t length)
{
    peer->rest = malloc(length);
    memcpy(peer->rest, bytes, length);
    peer->rest_length = length;
    watch(peer, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void deliver(struct peer *peer, const char *bytes, size_t length)
{
    if (peer->rest)
        return;
    ssize_t sent = send(peer->fd, bytes, length, MSG_NOSIGNAL);
    if (sent > 0 && (size_t)sent < length)
        keep_rest(peer, bytes + sent, length - sent);
}

static void deliver_rest(struct peer *peer)
{
    ssize_t sent = send(peer->fd, peer->rest, peer->rest_length, MSG_NOSIGNAL);
    if (sent <= 0)
        return;
    peer->rest_length -= sent;
    memmove(peer->rest, peer->rest + sent, peer->rest_length);
    if (peer->rest_length)
        return;
    free(peer->rest);
    peer->rest = NULL;
    watch(peer, EPOLL_CTL_MOD, EPOLLIN);
}

static void deliver_to_all(const struct frame *frames, int count)
{
    for (long at = 0; at < subscriber_count; at++)
        for (int line = 0; line < count; line++)
            deliver(subscribers[at], frames[line].bytes, frames[line].length);
}

/* A server's text frame, never masked (RFC 6455, section 5.2). */
static struct frame framed(const char *text, size_t length)
{
    struct frame frame = {malloc(length + 10), 0};
    uint8_t *head = (uint8_t *)frame.bytes;
    int size_bytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
    head[0] = 0x81;
    head[1] = size_bytes == 0 ? length : size_bytes == 2 ? 126 : 127;
    for (int at = 0; at < size_bytes; at++)
        head[2 + at] = (uint8_t)(length >> 8 * (size_bytes - 1 - at));
    memcpy(frame.bytes + 2 + size_bytes, text, length);
    frame.length = 2 + size_bytes + length;
    return frame;
}

/* Requests */

static void publish(char *body, size_t length)
{
    struct frame frames[LINES];
    int count = 0;
    for (char *line = body, *end = body + length; line < end && count < LINES;) {
        char *stop = memchr(line, '\n', end - line);
        size_t size = (stop ? stop : end) - line;
        frames[count++] = framed(line, size);
        line += size + 1;
    }
    deliver_to_all(frames, count);
    while (count--)
        free(frames[count].bytes);
}

static void answer(struct peer *peer, const char *text)
{
    deliver(peer, text, strlen(text));
}

static void subscribe(struct peer *peer)
{
    if (subscriber_count == subscriber_room) {
        subscriber_room = subscriber_room ? 2 * subscriber_room : 1024;
        subscribers = realloc(subscribers, subscriber_room * sizeof *subscribers);
    }
    peer->place = subscriber_count;
    subscribers[subscriber_count++] = peer;
    answer(peer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

static size_t body_length(const char *head)
{
    const char *field = strcasestr(head, "\r\nContent-Length:");
    return field ? strtoul(field + 17, NULL, 10) : 0;
}

/* Carry out the request at the start of what came. Answers how long it was, 0 while it is not complete. */
static size_t carry_out(struct peer *peer)
{
    char *end = strstr(peer->request, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = end + 4 - peer->request;
    size_t body = body_length(peer->request);
    if (peer->request_length < head + body)
        return 0;
    if (!strncmp(peer->request, "GET", 3)) {
        subscribe(peer);
    } else {
        publish(peer->request + head, body);
        answer(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    }
    return head + body;
}

static void take(struct peer *peer, size_t length)
{
    if (peer->place >= 0) {
        answer(peer, "\x81\x02{}");
        return;
    }
    peer->request = realloc(peer->request, peer->request_length + length + 1);
    memcpy(peer->request + peer->request_length, input, length);
    peer->request_length += length;
    peer->request[peer->request_length] = 0;
    for (size_t done; (done = carry_out(peer));) {
        peer->request_length -= done;
        memmove(peer->request, peer->request + done, peer->request_length + 1);
    }
    if (!peer->request_length) {
        free(peer->request);
        peer->request = NULL;
    }
}

/* Connections */

static void drop(struct peer *peer)
{
    if (peer->place >= 0) {
        subscribers[peer->place] = subscribers[--subscriber_count];
        subscribers[peer->place]->place = peer->place;
    }
    close(peer->fd);
    free(peer->request);
    free(peer->rest);
    free(peer);
}

static void accept_one(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct peer *peer = calloc(1, sizeof *peer);
    peer->fd = fd;
    peer->place = -1;
    watch(peer, EPOLL_CTL_ADD, EPOLLIN);
}

static void serve(struct peer *peer, uint32_t events)
{
    if (events & EPOLLOUT && peer->rest)
        deliver_rest(peer);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t length = recv(peer->fd, input, sizeof input, 0);
    if (length > 0)
        take(peer, length);
    else
        drop(peer);
}

static int listening(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("raw");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: raw PORT\n"), 2;
    struct peer listener = {.fd = listening(atoi(argv[1]))};
    events_fd = epoll_create1(0);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(events_fd, events, 256, -1);
        for (int at = 0; at < count; at++)
            if (events[at].data.ptr == &listener)
                accept_one(listener.fd);
            else
                serve(events[at].data.ptr, events[at].events);
    }
}
