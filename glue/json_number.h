/* Numbers as JSON text, as Python's int.__repr__ and float.__repr__ write them, and back. No Python
 * here: what these leave alone (ints beyond 64 bits, a float that needs more than 128 bits to be
 * rounded) is Python's own code to do.
 */
#ifndef HFA_JSON_NUMBER_H
#define HFA_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Room that the functions below may write to. */
#define HFA_JSON_INTEGER_SIZE 24
#define HFA_JSON_DOUBLE_SIZE  32

/* Makes the powers of ten. Before all else; doing it again changes nothing. */
void hfa_json_number_init(void);

/* Both return the place behind the last byte written. */
char *hfa_json_write_integer(char *out, int64_t value);

/* The shortest digits that make the same double, the nearest of them; fixed notation for decimal
 * exponents from -4 to 15. `value` is finite. */
char *hfa_json_write_double(char *out, double value);

/* The double nearest to (-1)^negative * digits * 10^exponent, half to even. False where another
 * way must be taken: subnormal or infinite results, and ones too close to a half. */
bool hfa_json_make_double(bool negative, uint64_t digits, int exponent, double *value);

#endif
