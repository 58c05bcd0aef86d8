#include "switch_interval.h"

/* Seconds. The work on a batch of requests takes about as long as the first; the loop gives the
 * lock back well before the second, which it waits for if it has lost the lock in between. */
#define SHORT 0.0001
#define LONG  0.002

/* -1: it could not be found out. */
static double get(struct hfa_switch_interval *interval)
{
    if (interval->get_function == NULL)
        interval->get_function = Py_XNewRef(PySys_GetObject("getswitchinterval"));
    PyObject *value =
        interval->get_function == NULL ? NULL : PyObject_CallNoArgs(interval->get_function);
    double seconds = value == NULL ? -1 : PyFloat_AsDouble(value);
    Py_XDECREF(value);
    PyErr_Clear();
    return seconds;
}

static void set(struct hfa_switch_interval *interval, double seconds)
{
    if (interval->set_function == NULL)
        interval->set_function = Py_XNewRef(PySys_GetObject("setswitchinterval"));
    PyObject *value = PyFloat_FromDouble(seconds);
    PyObject *result = value == NULL || interval->set_function == NULL
                           ? NULL
                           : PyObject_CallOneArg(interval->set_function, value);
    Py_XDECREF(result);
    Py_XDECREF(value);
    PyErr_Clear();
}

/* It is kept in whole microseconds. */
static bool is_same(double seconds, double other)
{
    return seconds > other - 1e-6 && seconds < other + 1e-6;
}

static void change(struct hfa_switch_interval *interval, double seconds)
{
    if (interval->ours <= 0 || seconds == interval->ours)
        return;
    bool is_ours = is_same(get(interval), interval->ours);
    interval->ours = is_ours ? seconds : 0;
    if (is_ours)
        set(interval, seconds);
}

void hfa_switch_interval_begin_job(struct hfa_switch_interval *interval)
{
    if (interval->jobs++ > 0)
        return;
    interval->before = get(interval);
    interval->ours = interval->before > SHORT ? interval->before : 0;
    change(interval, SHORT);
}

void hfa_switch_interval_end_job(struct hfa_switch_interval *interval)
{
    if (interval->jobs > 0 && --interval->jobs == 0)
        change(interval, interval->before);
}

void hfa_switch_interval_forget_jobs(struct hfa_switch_interval *interval)
{
    if (interval->jobs > 0)
        interval->jobs = 1;
    hfa_switch_interval_end_job(interval);
}

void hfa_switch_interval_lengthen(struct hfa_switch_interval *interval)
{
    if (interval->jobs > 0)
        change(interval, interval->before < LONG ? interval->before : LONG);
}

void hfa_switch_interval_shorten(struct hfa_switch_interval *interval)
{
    if (interval->jobs > 0)
        change(interval, SHORT);
}

void hfa_switch_interval_clear(struct hfa_switch_interval *interval)
{
    Py_CLEAR(interval->get_function);
    Py_CLEAR(interval->set_function);
}
