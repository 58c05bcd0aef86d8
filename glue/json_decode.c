#include "json_decode.h"

#include "json_number.h"
#include "json_scan.h"

/* The functions below read from `at` on and leave the place behind what they read in reader->at.
 * NULL, with an exception set or without: json.loads has to say what is to be done. */
struct reader {
    struct hfa_json_decoder *decoder;
    const char *at;
    const char *end;
};

/* As many always fit 64 bits. */
#define DIGITS_MAX 19

/* Items of a list for which no array is allocated. */
#define LIST_FEW 16

/* Exponents beyond this are all alike, and a text of more digits does not make a number. */
#define EXPONENT_MAX 100000000

static PyObject *decode_value(struct reader *reader, const char *at, unsigned depth_left);

static inline bool is_digit(const char *at, const char *end)
{
    return at < end && (unsigned char)(*at - '0') < 10;
}

static inline const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* --- Strings ------------------------------------------------------------------------------- */

static inline PyObject *make_ascii(const char *data, size_t length)
{
    if (length == 1)
        return PyUnicode_FromOrdinal((unsigned char)*data); /* one object for each */
    PyObject *string = PyUnicode_New((Py_ssize_t)length, 0x7f);
    if (string != NULL)
        memcpy(PyUnicode_1BYTE_DATA(string), data, length);
    return string;
}

static inline size_t hash_key(const char *data, size_t length)
{
    const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = length;

    for (; length >= 8; data += 8, length -= 8)
        hash = (hash ^ hfa_json_load_8(data)) * multiplier;
    if (length >= 4)
        hash =
            (hash ^ ((uint64_t)hfa_json_load_4(data) << 32 | hfa_json_load_4(data + length - 4))) *
            multiplier;
    else if (length > 0)
        hash = (hash ^ ((uint64_t)(unsigned char)data[0] << 16 |
                        (uint64_t)(unsigned char)data[length / 2] << 8 |
                        (uint64_t)(unsigned char)data[length - 1])) *
               multiplier;
    return (size_t)(hash >> (64 - HFA_JSON_KEYS_BITS));
}

static inline PyObject *make_key(struct hfa_json_decoder *decoder, const char *data, size_t length)
{
    if (length > HFA_JSON_KEY_LENGTH_MAX)
        return make_ascii(data, length);
    PyObject **place = &decoder->keys[hash_key(data, length)];
    if (*place != NULL && (size_t)PyUnicode_GET_LENGTH(*place) == length &&
        memcmp(PyUnicode_1BYTE_DATA(*place), data, length) == 0)
        return Py_NewRef(*place);
    PyObject *key = make_ascii(data, length);
    if (key != NULL)
        Py_XSETREF(*place, Py_NewRef(key));
    return key;
}

/* -1 unless four hexadecimal digits stand there. */
static int read_hexadecimal(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char byte = at[i];
        if (byte >= '0' && byte <= '9')
            value = value << 4 | (byte - '0');
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            value = value << 4 | ((byte | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* UTF-8, and its like for surrogates, which "surrogatepass" reads back. */
static char *write_utf8(char *out, unsigned character)
{
    if (character < 0x80) {
        *out++ = (char)character;
    } else if (character < 0x800) {
        *out++ = (char)(0xc0 | character >> 6);
        *out++ = (char)(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        *out++ = (char)(0xe0 | character >> 12);
        *out++ = (char)(0x80 | (character >> 6 & 0x3f));
        *out++ = (char)(0x80 | (character & 0x3f));
    } else {
        *out++ = (char)(0xf0 | character >> 18);
        *out++ = (char)(0x80 | (character >> 12 & 0x3f));
        *out++ = (char)(0x80 | (character >> 6 & 0x3f));
        *out++ = (char)(0x80 | (character & 0x3f));
    }
    return out;
}

/* Two escapes make one character where they are a surrogate pair. `*at` is behind the 'u'. */
static char *unescape_u(char *out, const char **at, const char *end)
{
    int first = read_hexadecimal(*at, end);
    if (first < 0)
        return NULL;
    *at += 4;
    if (first >= 0xd800 && first <= 0xdbff && end - *at >= 6 && (*at)[0] == '\\' &&
        (*at)[1] == 'u') {
        int second = read_hexadecimal(*at + 2, end);
        if (second >= 0xdc00 && second <= 0xdfff) {
            *at += 6;
            return write_utf8(out, 0x10000 + ((unsigned)(first - 0xd800) << 10) +
                                       (unsigned)(second - 0xdc00));
        }
    }
    return write_utf8(out, (unsigned)first);
}

/* No escape is shorter than what it stands for. Whole blocks are written, so up to a block more. */
static char *unescape(char *out, const char *at, const char *end)
{
    static const char meanings[] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    while (at < end) {
        if (end - at >= HFA_JSON_BLOCK_SIZE) {
            hfa_json_mask special = hfa_json_copy_block(out, at);
            unsigned plain = special == 0 ? HFA_JSON_BLOCK_SIZE : hfa_json_mask_first(special);
            out += plain;
            at += plain;
            if (special == 0)
                continue;
        } else if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        unsigned char letter = (unsigned char)at[1]; /* there is one: the quote is behind */
        at += 2;
        if (letter == 'u') {
            out = unescape_u(out, &at, end);
            if (out == NULL)
                return NULL;
        } else if (letter < sizeof(meanings) && meanings[letter] != 0) {
            *out++ = meanings[letter];
        } else {
            return NULL;
        }
    }
    return out;
}

static PyObject *make_unescaped(const char *start, const char *end)
{
    char *text = PyMem_Malloc((size_t)(end - start) + HFA_JSON_BLOCK_SIZE);
    if (text == NULL)
        return NULL;
    const char *stop = unescape(text, start, end);
    PyObject *string =
        stop == NULL ? NULL : PyUnicode_DecodeUTF8(text, stop - text, "surrogatepass");
    PyMem_Free(text);
    return string;
}

/* The first special byte. */
static const char *find_special(const char *at, const char *end)
{
    for (; end - at >= HFA_JSON_BLOCK_SIZE; at += HFA_JSON_BLOCK_SIZE) {
        hfa_json_mask special = hfa_json_find_block(at);
        if (special != 0)
            return at + hfa_json_mask_first(special);
    }
    while (at < end && !hfa_json_is_special((unsigned char)*at))
        at++;
    return at;
}

/* With bytes beyond ASCII, or escapes; `at` is where the first of them stands. */
static Py_NO_INLINE PyObject *decode_string_uncommon(struct reader *reader, const char *start,
                                                     const char *at)
{
    const char *end = reader->end;
    bool has_escapes = false;

    for (;;) {
        at = find_special(at, end);
        if (at == end || (unsigned char)*at < 0x20)
            return NULL;
        if (*at == '"')
            break;
        has_escapes = true;
        if (end - at < 2)
            return NULL;
        at += 2;
    }
    reader->at = at + 1;
    if (has_escapes)
        return make_unescaped(start, at);
    return PyUnicode_DecodeUTF8(start, at - start, NULL);
}

/* `at` is behind the quote. */
static inline PyObject *decode_string(struct reader *reader, const char *at, bool is_key)
{
    const char *start = at;
    const char *end = reader->end;
    hfa_json_mask special = 0;

    for (; end - at >= HFA_JSON_BLOCK_SIZE; at += HFA_JSON_BLOCK_SIZE) {
        special = hfa_json_find_ascii_block(at);
        if (special != 0)
            break;
    }
    if (special != 0) {
        at += hfa_json_mask_first(special);
    } else {
        while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\')
            at++;
        if (at == end)
            return NULL;
    }
    if (*at != '"')
        return decode_string_uncommon(reader, start, at);
    reader->at = at + 1;
    if (is_key)
        return make_key(reader->decoder, start, (size_t)(at - start));
    return make_ascii(start, (size_t)(at - start));
}

/* --- Numbers and names --------------------------------------------------------------------- */

/* Numbers that need Python's own conversion, of a text that ends with a null byte. */
static Py_NO_INLINE PyObject *make_number_uncommon(const char *start, const char *end,
                                                   bool is_float)
{
    size_t length = (size_t)(end - start);
    PyObject *number = NULL;
    char *text = PyMem_Malloc(length + 1);

    if (text == NULL)
        return NULL;
    memcpy(text, start, length);
    text[length] = 0;
    if (is_float) {
        double value = PyOS_string_to_double(text, NULL, NULL); /* infinity where it is too great */
        if (value != -1.0 || !PyErr_Occurred())
            number = PyFloat_FromDouble(value);
    } else {
        number = PyLong_FromString(text, NULL, 10);
    }
    PyMem_Free(text);
    return number;
}

/* -?(0|[1-9][0-9]*) and, in floats, (\.[0-9]+)?([eE][-+]?[0-9]+)? */
struct number {
    const char *start;
    uint64_t digits; /* as long as there are DIGITS_MAX at most; leading zeros count */
    size_t count;
    bool negative;
};

/* The value of eight digits, the first in the lowest byte; false if there is another byte. Pairs,
 * fours and eights of digits are added up at once. */
static inline bool read_8_digits(const char *at, uint64_t *value)
{
    uint64_t word = hfa_json_load_8(at);
    const uint64_t high_halves = HFA_JSON_EACH_BYTE * 0xf0;

    if ((word & high_halves) != HFA_JSON_EACH_BYTE * 0x30 ||
        ((word + HFA_JSON_EACH_BYTE * 6) & high_halves) != HFA_JSON_EACH_BYTE * 0x30)
        return false;
    word -= HFA_JSON_EACH_BYTE * '0';
    word = (word * 10 + (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word * 100 + (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    *value = (word * 10000 + (word >> 32)) & UINT64_C(0xffffffff);
    return true;
}

static inline const char *read_digits(struct number *number, const char *at, const char *end)
{
    const char *first = at;
    uint64_t digits = number->digits;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t eight;
    for (; end - at >= 8 && read_8_digits(at, &eight); at += 8)
        digits = digits * 100000000 + eight;
#endif
    for (; is_digit(at, end); at++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    number->digits = digits;
    number->count += (size_t)(at - first);
    return at;
}

static PyObject *decode_float(struct reader *reader, const char *at, struct number *number)
{
    const char *end = reader->end;
    int64_t exponent = 0;
    double value;

    if (*at == '.') {
        const char *fraction = ++at;
        if (!is_digit(at, end))
            return NULL;
        at = read_digits(number, at, end);
        if (at - fraction > EXPONENT_MAX)
            return NULL;
        exponent = fraction - at;
    }
    if (at < end && (*at | 0x20) == 'e') {
        int64_t stated = 0;
        at++;
        bool is_small = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (!is_digit(at, end))
            return NULL;
        for (; is_digit(at, end); at++) {
            if (stated < EXPONENT_MAX)
                stated = stated * 10 + (*at - '0');
        }
        exponent += is_small ? -stated : stated;
    }
    reader->at = at;
    if (number->count <= DIGITS_MAX && exponent >= -EXPONENT_MAX && exponent <= EXPONENT_MAX &&
        hfa_json_make_double(number->negative, number->digits, (int)exponent, &value))
        return PyFloat_FromDouble(value);
    return make_number_uncommon(number->start, at, true);
}

static PyObject *decode_infinity(struct reader *reader, const char *at, double value)
{
    static const char name[] = {'I', 'n', 'f', 'i', 'n', 'i', 't', 'y'};

    if ((size_t)(reader->end - at) < sizeof(name) || memcmp(at, name, sizeof(name)) != 0)
        return NULL;
    reader->at = at + sizeof(name);
    return PyFloat_FromDouble(value);
}

static PyObject *decode_number(struct reader *reader, const char *at)
{
    struct number number = {.start = at, .negative = *at == '-'};
    const char *end = reader->end;

    at += number.negative;
    if (!is_digit(at, end))
        return number.negative ? decode_infinity(reader, at, -Py_HUGE_VAL) : NULL;
    if (*at == '0') {
        at++;
        if (is_digit(at, end))
            return NULL;
    } else {
        at = read_digits(&number, at, end);
    }
    if (at < end && (*at == '.' || (*at | 0x20) == 'e'))
        return decode_float(reader, at, &number);
    reader->at = at;
    if (number.count >= DIGITS_MAX) /* as an int64_t they may not fit */
        return make_number_uncommon(number.start, at, false);
    int64_t value = (int64_t)number.digits;
    return PyLong_FromLongLong(number.negative ? -value : value);
}

static inline PyObject *decode_name(struct reader *reader, const char *at, const char *name,
                                    size_t length, PyObject *value)
{
    if ((size_t)(reader->end - at) < length || memcmp(at, name, length) != 0)
        return NULL;
    reader->at = at + length;
    return Py_NewRef(value);
}

static PyObject *decode_nan(struct reader *reader, const char *at)
{
    if (reader->end - at < 3 || memcmp(at, "NaN", 3) != 0)
        return NULL;
    reader->at = at + 3;
    return PyFloat_FromDouble(Py_NAN);
}

/* --- Containers ---------------------------------------------------------------------------- */

/* A list's items before the list is made, at first in `few`. */
struct items {
    PyObject **items; /* owned, each of them and the array unless it is `few` */
    size_t count;
    size_t capacity;
    PyObject *few[LIST_FEW];
};

static int make_room(struct items *items)
{
    size_t size = items->capacity * sizeof(*items->items);
    PyObject **more = PyMem_Realloc(items->items == items->few ? NULL : items->items, 2 * size);

    if (more == NULL)
        return -1;
    if (items->items == items->few)
        memcpy(more, items->few, size);
    items->items = more;
    items->capacity *= 2;
    return 0;
}

/* NULL if the list is not well-formed. */
static PyObject *make_list(struct items *items, bool is_whole)
{
    PyObject *list = is_whole ? PyList_New((Py_ssize_t)items->count) : NULL;

    for (size_t i = 0; i < items->count; i++) {
        if (list != NULL)
            PyList_SET_ITEM(list, (Py_ssize_t)i, items->items[i]);
        else
            Py_DECREF(items->items[i]);
    }
    if (items->items != items->few)
        PyMem_Free(items->items);
    return list;
}

static PyObject *read_items(struct reader *reader, const char *at, unsigned depth_left)
{
    struct items items;
    const char *end = reader->end;
    bool is_whole = false;

    items.items = items.few;
    items.count = 0;
    items.capacity = LIST_FEW;
    for (;;) {
        if (items.count == items.capacity && make_room(&items) < 0)
            break;
        PyObject *item = decode_value(reader, at, depth_left);
        if (item == NULL)
            break;
        items.items[items.count++] = item;
        at = skip_space(reader->at, end);
        if (at == end || *at != ',') {
            is_whole = at < end && *at == ']';
            break;
        }
        at = skip_space(at + 1, end);
    }
    reader->at = at + is_whole;
    return make_list(&items, is_whole);
}

static PyObject *decode_list(struct reader *reader, const char *at, unsigned depth_left)
{
    if (depth_left == 0)
        return NULL;
    at = skip_space(at, reader->end);
    if (at < reader->end && *at == ']') {
        reader->at = at + 1;
        return PyList_New(0);
    }
    return read_items(reader, at, depth_left - 1);
}

static int read_member(struct reader *reader, const char *at, unsigned depth_left, PyObject *dict)
{
    const char *end = reader->end;
    PyObject *value = NULL;
    int status = -1;

    if (at == end || *at != '"')
        return -1;
    PyObject *key = decode_string(reader, at + 1, true);
    if (key == NULL)
        return -1;
    at = skip_space(reader->at, end);
    if (at < end && *at == ':')
        value = decode_value(reader, skip_space(at + 1, end), depth_left);
    if (value != NULL)
        status = PyDict_SetItem(dict, key, value);
    Py_XDECREF(value);
    Py_DECREF(key);
    return status;
}

static PyObject *decode_dict(struct reader *reader, const char *at, unsigned depth_left)
{
    const char *end = reader->end;

    if (depth_left == 0)
        return NULL;
    PyObject *dict = PyDict_New();
    if (dict == NULL)
        return NULL;
    at = skip_space(at, end);
    if (at < end && *at == '}') {
        reader->at = at + 1;
        return dict;
    }
    for (;;) {
        if (read_member(reader, at, depth_left - 1, dict) < 0)
            break;
        at = skip_space(reader->at, end);
        if (at == end)
            break;
        if (*at == '}') {
            reader->at = at + 1;
            return dict;
        }
        if (*at != ',')
            break;
        at = skip_space(at + 1, end);
    }
    Py_DECREF(dict);
    return NULL;
}

static PyObject *decode_value(struct reader *reader, const char *at, unsigned depth_left)
{
    if (at == reader->end)
        return NULL;
    switch (*at) {
    case '"':
        return decode_string(reader, at + 1, false);
    case '{':
        return decode_dict(reader, at + 1, depth_left);
    case '[':
        return decode_list(reader, at + 1, depth_left);
    case 't':
        return decode_name(reader, at, "true", 4, Py_True);
    case 'f':
        return decode_name(reader, at, "false", 5, Py_False);
    case 'n':
        return decode_name(reader, at, "null", 4, Py_None);
    case 'N':
        return decode_nan(reader, at);
    case 'I':
        return decode_infinity(reader, at, Py_HUGE_VAL);
    default:
        return decode_number(reader, at);
    }
}

/* --- Documents ----------------------------------------------------------------------------- */

void hfa_json_decoder_init(struct hfa_json_decoder *decoder, PyObject *loads)
{
    *decoder = (struct hfa_json_decoder){.loads = Py_NewRef(loads)};
}

void hfa_json_decoder_free(struct hfa_json_decoder *decoder)
{
    for (size_t i = 0; i < sizeof(decoder->keys) / sizeof(*decoder->keys); i++)
        Py_CLEAR(decoder->keys[i]);
    Py_CLEAR(decoder->loads);
}

static Py_NO_INLINE PyObject *call_loads(PyObject *loads, const char *data, size_t length)
{
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)length);
    PyObject *value = bytes == NULL ? NULL : PyObject_CallOneArg(loads, bytes);

    Py_XDECREF(bytes);
    return value;
}

/* Other encodings and a byte order mark are told by the first bytes, none of which may stand there
 * in a document that is read here: a null byte as the first or second, 0xef, 0xfe, 0xff. */
PyObject *hfa_json_decode(struct hfa_json_decoder *decoder, const char *data, size_t length)
{
    struct reader reader = {.decoder = decoder, .end = data + length};
    PyObject *value =
        decode_value(&reader, skip_space(data, reader.end), HFA_JSON_DECODE_DEPTH_MAX);

    if (value != NULL && skip_space(reader.at, reader.end) == reader.end)
        return value;
    Py_XDECREF(value);
    PyErr_Clear();
    return call_loads(decoder->loads, data, length);
}
