#include "histogram.h"

enum {
    SUB_COUNT = 1 << HFA_HISTOGRAM_SUB_BITS,
};

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return (unsigned)value;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(value);
    if (power >= HFA_HISTOGRAM_POWERS) {
        return HFA_HISTOGRAM_BUCKETS - 1;
    }
    unsigned shift = power - HFA_HISTOGRAM_SUB_BITS;
    unsigned sub = (unsigned)(value >> shift) - SUB_COUNT;
    return ((shift + 1) << HFA_HISTOGRAM_SUB_BITS) + sub;
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (bucket >> HFA_HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = (bucket & (SUB_COUNT - 1)) + SUB_COUNT;
    return ((sub + 1) << shift) - 1;
}

void hfa_histogram_record(struct hfa_histogram *histogram, uint64_t value_ns)
{
    histogram->count++;
    histogram->sum_ns += value_ns;
    if (value_ns > histogram->max_ns) {
        histogram->max_ns = value_ns;
    }
    histogram->buckets[bucket_of(value_ns)]++;
}

uint64_t hfa_histogram_quantile(const struct hfa_histogram *histogram, double share)
{
    double rank = share * (double)histogram->count;
    uint64_t seen = 0;

    if (histogram->count == 0) {
        return 0;
    }
    for (unsigned bucket = 0; bucket < HFA_HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double)seen >= rank) {
            uint64_t edge = upper_edge(bucket);
            return edge < histogram->max_ns ? edge : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
