#include "switch_interval.h"

/* Seconds. The work on a batch of requests takes about as long. */
#define SHORT 0.0001

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
static bool is_short(double seconds)
{
    return seconds > SHORT - 1e-6 && seconds < SHORT + 1e-6;
}

void hfa_switch_interval_shorten(struct hfa_switch_interval *interval)
{
    if (interval->jobs++ > 0)
        return;
    interval->before = get(interval);
    if (interval->before > SHORT)
        set(interval, SHORT);
}

void hfa_switch_interval_restore(struct hfa_switch_interval *interval)
{
    if (--interval->jobs > 0)
        return;
    if (interval->before > SHORT && is_short(get(interval)))
        set(interval, interval->before);
}

void hfa_switch_interval_clear(struct hfa_switch_interval *interval)
{
    Py_CLEAR(interval->get_function);
    Py_CLEAR(interval->set_function);
}
