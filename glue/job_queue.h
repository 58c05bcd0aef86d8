/* A queue of jobs, first in, first out. */
#ifndef HFA_JOB_QUEUE_H
#define HFA_JOB_QUEUE_H

#include "pool.h"

struct hfa_job_queue {
    struct hfa_job *first, *last;
    unsigned count;
};

static inline void hfa_job_queue_push(struct hfa_job_queue *queue, struct hfa_job *job)
{
    job->next = NULL;
    if (queue->first == NULL)
        queue->first = job;
    else
        queue->last->next = job;
    queue->last = job;
    queue->count++;
}

/* NULL: it is empty. */
static inline struct hfa_job *hfa_job_queue_pop(struct hfa_job_queue *queue)
{
    struct hfa_job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        queue->count--;
    }
    return job;
}

/* Empties it. */
static inline struct hfa_job_queue hfa_job_queue_take(struct hfa_job_queue *queue)
{
    struct hfa_job_queue taken = *queue;

    *queue = (struct hfa_job_queue){0};
    return taken;
}

#endif
