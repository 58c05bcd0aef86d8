/* A histogram of durations with logarithmic buckets: each power of two is cut into 64, so that a
 * value read back is at most 1.6 % above the recorded one, from 1 ns to more than a day.
 */
#ifndef HFA_HISTOGRAM_H
#define HFA_HISTOGRAM_H

#include <stdint.h>

enum {
    HFA_HISTOGRAM_SUB_BITS = 6,
    HFA_HISTOGRAM_POWERS = 47,
    HFA_HISTOGRAM_BUCKETS = (HFA_HISTOGRAM_POWERS - HFA_HISTOGRAM_SUB_BITS + 1)
                            << HFA_HISTOGRAM_SUB_BITS,
};

/* Zero-initialised is empty. */
struct hfa_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[HFA_HISTOGRAM_BUCKETS];
};

/* Counts one value; values beyond the range go to the last bucket, and into max_ns as they are. */
void hfa_histogram_record(struct hfa_histogram *histogram, uint64_t value_ns);

/* The smallest recorded duration, to the bucket's upper edge and never above max_ns, that at least
 * share (0 to 1) of all values do not exceed; 0 where nothing was recorded. */
uint64_t hfa_histogram_quantile(const struct hfa_histogram *histogram, double share);

#endif
