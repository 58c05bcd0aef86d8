/* What a readiness back end gives to the reactor: one is compiled in. Private to the reactor. */
#ifndef HFA_REACTOR_BACKEND_H
#define HFA_REACTOR_BACKEND_H

#include "reactor.h"

/* One ready descriptor. The generation tells a closed descriptor's late event from a new one's. */
struct hfa_ready {
    int fd;
    uint32_t generation;
    unsigned readiness;
};

struct hfa_backend;

enum hfa_status hfa_backend_new(struct hfa_backend **backend);
void hfa_backend_free(struct hfa_backend *backend);
int hfa_backend_fd(const struct hfa_backend *backend);
const char *hfa_backend_name(void);

enum hfa_status hfa_backend_add(struct hfa_backend *backend, int fd, uint32_t generation,
                                unsigned interest, bool exclusive);
enum hfa_status hfa_backend_modify(struct hfa_backend *backend, int fd, uint32_t generation,
                                   unsigned interest);
void hfa_backend_remove(struct hfa_backend *backend, int fd);

/* Waits and fills at most `size` of `ready`; `*count` is 0 after a time-out or a signal. */
enum hfa_status hfa_backend_wait(struct hfa_backend *backend, uint64_t timeout_ns,
                                 struct hfa_ready *ready, int size, int *count);

#endif
