#include "json_number.h"

#include <stddef.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* The powers of ten that a double's text or its value can ask for. */
#define POWER_MIN (-342)
#define POWER_MAX 324
/* 10^p is 5^p but for its binary exponent; above this power 5^p needs more than 128 bits. */
#define POWER_EXACT_MAX 55
#define DOUBLE_FRACTION 52
#define DOUBLE_BIAS     1023
#define DOUBLE_EXP_MAX  0x7ff

/* The leading 128 bits of 10^power, the first of them set. Rounded down for positive powers and up
 * for negative ones. */
struct power {
    uint64_t high;
    uint64_t low;
};

static struct power powers[POWER_MAX - POWER_MIN + 1];

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

/* A natural number of 1024 bits, the lowest word first: 5^324 has 753, and 2^960 / 5^342 keeps more
 * than 128. */
enum { BIG_WORDS = 16, BIG_NUMERATOR_BIT = 960 };

static void big_multiply_by_5(uint64_t *big)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < BIG_WORDS; i++) {
        uint128 product = (uint128)big[i] * 5 + carry;
        big[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
}

static void big_divide_by_5(uint64_t *big)
{
    uint64_t remainder = 0;
    for (size_t i = BIG_WORDS; i-- > 0;) {
        uint128 dividend = (uint128)remainder << 64 | big[i];
        big[i] = (uint64_t)(dividend / 5);
        remainder = (uint64_t)(dividend % 5);
    }
}

static struct power big_leading_bits(const uint64_t *big)
{
    size_t top = BIG_WORDS - 1;
    while (big[top] == 0)
        top--;
    uint64_t words[3] = {big[top], top >= 1 ? big[top - 1] : 0, top >= 2 ? big[top - 2] : 0};
    unsigned shift = (unsigned)__builtin_clzll(words[0]);
    if (shift == 0)
        return (struct power){words[0], words[1]};
    return (struct power){words[0] << shift | words[1] >> (64 - shift),
                          words[1] << shift | words[2] >> (64 - shift)};
}

void hfa_json_number_init(void)
{
    uint64_t big[BIG_WORDS] = {1};
    for (int power = 0; power <= POWER_MAX; power++) {
        powers[power - POWER_MIN] = big_leading_bits(big);
        big_multiply_by_5(big);
    }
    memset(big, 0, sizeof(big));
    big[BIG_NUMERATOR_BIT / 64] = UINT64_C(1) << BIG_NUMERATOR_BIT % 64;
    for (int power = -1; power >= POWER_MIN; power--) {
        big_divide_by_5(big); /* rounds down, and so does the division of what is left by 5 */
        struct power leading = big_leading_bits(big);
        leading.low++; /* never exact; never all ones */
        powers[power - POWER_MIN] = leading;
    }
}

/* floor(log2(10^power)), for powers of the table. */
static int power_exponent(int power)
{
    return (int)(((int64_t)power * 1741647) >> 19);
}

static inline uint64_t power_of_ten(unsigned power)
{
    static const uint64_t table[20] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    return table[power];
}

static inline unsigned count_digits(uint64_t value)
{
    /* 1233 / 4096 is log10(2): the bits tell the digits or one too many. */
    unsigned guess = (64 - (unsigned)__builtin_clzll(value | 1)) * 1233 >> 12;
    return guess + (value >= power_of_ten(guess));
}

static inline void write_pair(char *out, uint32_t value)
{
    memcpy(out, digit_pairs + 2 * value, 2);
}

static inline void write_8_digits(char *out, uint32_t value)
{
    uint32_t left = value / 10000;
    uint32_t right = value % 10000;
    write_pair(out, left / 100);
    write_pair(out + 2, left % 100);
    write_pair(out + 4, right / 100);
    write_pair(out + 6, right % 100);
}

/* Writes the digits so that they end before `end`: eight at a time as long as there are more, for
 * operations of 32 bits are cheaper. */
static inline void write_digits(char *end, uint64_t value)
{
    while (value >= 100000000) {
        end -= 8;
        write_8_digits(end, (uint32_t)(value % 100000000));
        value /= 100000000;
    }
    uint32_t rest = (uint32_t)value;
    while (rest >= 100) {
        end -= 2;
        write_pair(end, rest % 100);
        rest /= 100;
    }
    if (rest >= 10)
        write_pair(end - 2, rest);
    else
        end[-1] = (char)('0' + rest);
}

/* `count` digits, with zeros before them. */
static inline void write_padded(char *out, uint64_t value, unsigned count)
{
    for (; count >= 8; count -= 8, value /= 100000000)
        write_8_digits(out + count - 8, (uint32_t)(value % 100000000));
    uint32_t rest = (uint32_t)value;
    for (; count >= 2; count -= 2, rest /= 100)
        write_pair(out + count - 2, rest % 100);
    if (count == 1)
        out[0] = (char)('0' + rest);
}

char *hfa_json_write_integer(char *out, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        *out++ = '-';
        magnitude = 0 - magnitude;
    }
    if (magnitude < 10) {
        *out = (char)('0' + magnitude);
        return out + 1;
    }
    unsigned count = count_digits(magnitude);
    write_digits(out + count, magnitude);
    return out + count;
}

/* A number digits * 10^exponent. */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* The integral part of power * factor / 2^128, its last bit set too if anything was cut off. */
static inline uint64_t multiply_to_odd(struct power power, uint64_t factor)
{
    uint128 low = (uint128)power.low * factor;
    uint128 high = (uint128)power.high * factor + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* Raffaello Giulietti, "The Schubfach way to render doubles": of the two multiples of 10^k that
 * enclose the double, k the greatest for which one must lie within its rounding interval, takes the
 * one inside, or the nearer. The interval's ends belong to it where the significand is even. */
static struct decimal shortest_decimal(uint64_t significand, int exponent, bool is_power_of_2)
{
    int k = (int)(((int64_t)exponent * 1262611 - (is_power_of_2 ? 524031 : 0)) >> 22);
    unsigned shift = (unsigned)(exponent + power_exponent(-k) + 1);
    struct power power = powers[-k - POWER_MIN];
    if (-k > POWER_EXACT_MAX) { /* here the factor has to be rounded up */
        power.low++;
        power.high += power.low == 0;
    }
    uint64_t four = significand * 4;
    uint64_t low = multiply_to_odd(power, (four - 2 + is_power_of_2) << shift);
    uint64_t middle = multiply_to_odd(power, four << shift);
    uint64_t high = multiply_to_odd(power, (four + 2) << shift);
    bool is_odd = (significand & 1) != 0;
    low += is_odd;
    high -= is_odd;

    uint64_t digits = middle / 4;
    if (digits >= 10) {
        uint64_t fewer = digits / 10;
        bool below_inside = low <= 40 * fewer;
        bool above_inside = 40 * fewer + 40 <= high;
        if (below_inside != above_inside)
            return (struct decimal){fewer + above_inside, k + 1};
    }
    bool below_inside = low <= 4 * digits;
    bool above_inside = 4 * digits + 4 <= high;
    if (below_inside != above_inside)
        return (struct decimal){digits + above_inside, k};
    uint64_t half = 4 * digits + 2;
    bool is_up = middle > half || (middle == half && (digits & 1) != 0);
    return (struct decimal){digits + is_up, k};
}

static char *write_zeros(char *out, unsigned count)
{
    memset(out, '0', count);
    return out + count;
}

static char *write_exponent(char *out, int exponent)
{
    *out++ = 'e';
    *out++ = exponent < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (magnitude >= 100) {
        *out++ = (char)('0' + magnitude / 100);
        magnitude %= 100;
    }
    memcpy(out, digit_pairs + 2 * magnitude, 2);
    return out + 2;
}

/* The number has digits on both sides of the point. No integer but its own floor rounds to a double
 * that is not one, so the floor is what stands before the point. */
static char *write_fixed(char *out, struct decimal decimal, double magnitude, unsigned point)
{
    unsigned places = (unsigned)-decimal.exponent;
    uint64_t integer = (uint64_t)magnitude;
    uint64_t fraction = decimal.digits - integer * power_of_ten(places);

    write_digits(out + point, integer);
    out[point] = '.';
    out += point + 1;
    write_padded(out, fraction, places);
    return out + places;
}

/* Behind the sign. */
static char *write_decimal(char *out, struct decimal decimal, double magnitude)
{
    unsigned count = count_digits(decimal.digits);
    int point = (int)count + decimal.exponent; /* digits before the point */

    if (point > 0 && point <= 16) {
        if (decimal.exponent < 0)
            return write_fixed(out, decimal, magnitude, (unsigned)point);
        write_digits(out + count, decimal.digits);
        out = write_zeros(out + count, (unsigned)decimal.exponent);
        memcpy(out, ".0", 2);
        return out + 2;
    }
    if (point > -4 && point <= 0) {
        memcpy(out, "0.000", 5);
        out += 2 - point;
        write_digits(out + count, decimal.digits);
        return out + count;
    }
    write_digits(out + 1 + count, decimal.digits);
    out[0] = out[1];
    out[1] = '.';
    return write_exponent(out + (count == 1 ? 1 : count + 1), point - 1);
}

/* Up to 15 of them. */
static inline struct decimal strip_zeros(struct decimal decimal)
{
    static const uint32_t divisors[] = {100000000, 10000, 100, 10};
    static const int exponents[] = {8, 4, 2, 1};

    if (decimal.digits % 10 != 0)
        return decimal;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t fewer = decimal.digits / divisors[i];
        if (fewer * divisors[i] == decimal.digits) {
            decimal.digits = fewer;
            decimal.exponent += exponents[i];
        }
    }
    return decimal;
}

/* digits / 10^4, which is no integer: prices and the like. */
static char *write_4_places(char *out, uint64_t digits)
{
    uint64_t integer = digits / 10000;
    uint32_t fraction = (uint32_t)(digits % 10000);
    unsigned count = integer == 0 ? 1 : count_digits(integer);

    write_digits(out + count, integer);
    out += count;
    *out++ = '.';
    write_pair(out, fraction / 100);
    write_pair(out + 2, fraction % 100);
    unsigned places = fraction % 100 != 0 ? 4 : 2;
    return out + places - (out[places - 1] == '0');
}

char *hfa_json_write_double(char *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (bits >> 63 != 0)
        *out++ = '-';
    uint64_t fraction = bits & ((UINT64_C(1) << DOUBLE_FRACTION) - 1);
    int biased = (int)(bits >> DOUBLE_FRACTION & DOUBLE_EXP_MAX);
    if (biased == 0 && fraction == 0) {
        memcpy(out, "0.0", 3);
        return out + 3;
    }
    uint64_t significand = biased == 0 ? fraction : fraction | UINT64_C(1) << DOUBLE_FRACTION;
    int exponent = (biased == 0 ? 1 : biased) - DOUBLE_BIAS - DOUBLE_FRACTION;
    if (exponent <= 0 && exponent >= -DOUBLE_FRACTION &&
        (significand & ((UINT64_C(1) << -exponent) - 1)) == 0) {
        /* An integer of at most 53 bits: no shorter digits make the same double. */
        uint64_t integer = significand >> -exponent;
        unsigned count = count_digits(integer);
        write_digits(out + count, integer);
        memcpy(out + count, ".0", 2);
        return out + count + 2;
    }
    double magnitude = value < 0 ? -value : value;
    double scaled = magnitude * 1e4;
    if (scaled >= 1.0 && scaled < 1e15) {
        /* Of decimals with at most 15 digits no two read as the same double, so that one which
         * reads as this is the shortest. */
        uint64_t digits = (uint64_t)scaled;
        if ((double)digits == scaled && scaled / 1e4 == magnitude)
            return write_4_places(out, digits);
    }
    struct decimal decimal = shortest_decimal(significand, exponent, fraction == 0 && biased > 1);
    return write_decimal(out, strip_zeros(decimal), magnitude);
}

static double with_sign(bool negative, double value)
{
    return negative ? -value : value;
}

/* Daniel Lemire, "Number Parsing at a Gigabyte per Second": the leading bits of digits *
 * 10^exponent by one multiplication, two where the first leaves a doubt. */
static bool multiply_to_double(uint64_t digits, int exponent, uint64_t *bits)
{
    struct power power = powers[exponent - POWER_MIN];
    unsigned zeros = (unsigned)__builtin_clzll(digits);
    digits <<= zeros;
    uint128 product = (uint128)digits * power.high;
    if (((uint64_t)(product >> 64) & 0x1ff) == 0x1ff)
        product += (uint64_t)(((uint128)digits * power.low) >> 64);
    uint64_t high = (uint64_t)(product >> 64);
    uint64_t low = (uint64_t)product;
    if (low == UINT64_MAX && (exponent < -27 || exponent > POWER_EXACT_MAX))
        return false;
    unsigned top = (unsigned)(high >> 63);
    unsigned cut = top + 64 - DOUBLE_FRACTION - 3;
    uint64_t significand = high >> cut; /* with one bit more than a double has */
    int biased = power_exponent(exponent) + 63 + (int)top - (int)zeros + DOUBLE_BIAS;
    if (biased <= 0)
        return false;
    /* Exactly half: only such powers can make one. */
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (significand & 3) == 1 &&
        significand << cut == high)
        significand--;
    significand += significand & 1;
    significand >>= 1;
    if (significand >> (DOUBLE_FRACTION + 1) != 0) {
        significand >>= 1;
        biased++;
    }
    if (biased >= DOUBLE_EXP_MAX)
        return false;
    *bits = (significand & ((UINT64_C(1) << DOUBLE_FRACTION) - 1)) | (uint64_t)biased
                                                                         << DOUBLE_FRACTION;
    return true;
}

bool hfa_json_make_double(bool negative, uint64_t digits, int exponent, double *value)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t bits;
    double magnitude;

    if (digits == 0) {
        *value = with_sign(negative, 0.0);
        return true;
    }
    /* Both operands are exact, so the one operation rounds once. */
    if (digits <= UINT64_C(1) << (DOUBLE_FRACTION + 1) && exponent >= -22 && exponent <= 22) {
        magnitude = (double)digits;
        magnitude = exponent < 0 ? magnitude / exact[-exponent] : magnitude * exact[exponent];
        *value = with_sign(negative, magnitude);
        return true;
    }
    if (exponent < POWER_MIN || exponent > 308 || !multiply_to_double(digits, exponent, &bits))
        return false;
    memcpy(&magnitude, &bits, sizeof(magnitude));
    *value = with_sign(negative, magnitude);
    return true;
}
