#include "plain_value.h"

#include "json_number.h"

/* So many digits are fewer than 2^63, and than 2^53. */
#define INT_DIGITS_MAX   18
#define FLOAT_DIGITS_MAX 15

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

PyObject *hfa_plain_int(struct hfa_bytes text)
{
    size_t at = text.length > 0 && text.data[0] == '-';
    size_t digits = text.length - at;
    long long number = 0;

    if (digits == 0 || digits > INT_DIGITS_MAX || (text.data[at] == '0' && text.length > 1))
        return NULL;
    for (size_t i = at; i < text.length; i++) {
        if (!is_digit(text.data[i]))
            return NULL;
        number = number * 10 + (text.data[i] - '0');
    }
    return PyLong_FromLongLong(at == 1 ? -number : number);
}

PyObject *hfa_plain_float(struct hfa_bytes text)
{
    bool is_negative = text.length > 0 && text.data[0] == '-';
    size_t point = text.length; /* where it is */
    uint64_t digits = 0;
    double value;

    if (text.length - is_negative > FLOAT_DIGITS_MAX + 1)
        return NULL;
    for (size_t i = is_negative; i < text.length; i++) {
        if (is_digit(text.data[i]))
            digits = digits * 10 + (uint64_t)(text.data[i] - '0');
        else if (text.data[i] == '.' && point == text.length)
            point = i;
        else
            return NULL;
    }
    /* There is a digit on both sides of the point. */
    if (point == is_negative || point + 1 == text.length)
        return NULL;
    int places = point == text.length ? 0 : (int)(text.length - point - 1);
    if (digits == 0)
        return PyFloat_FromDouble(is_negative ? -0.0 : 0.0);
    if (!hfa_json_make_double(is_negative, digits, -places, &value))
        return NULL;
    return PyFloat_FromDouble(value);
}

PyObject *hfa_plain_bool(struct hfa_bytes text)
{
    static const char *const words[2][7] = {
        {"false", "0", "off", "f", "no", "n", "False"},
        {"true", "1", "on", "t", "yes", "y", "True"},
    };

    for (int truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < sizeof(words[0]) / sizeof(words[0][0]); i++) {
            const char *word = words[truth][i];
            if (strlen(word) == text.length && memcmp(word, text.data, text.length) == 0)
                return PyBool_FromLong(truth);
        }
    }
    return NULL;
}
