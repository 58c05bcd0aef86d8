#include "byte_class.h"

/* Each rule is a constant expression over one byte; the rows below expand it 256 times. */
#define DIGIT(c)   ((c) >= '0' && (c) <= '9')
#define ALPHA(c)   (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define CONTROL(c) ((c) < 0x20 || (c) == 0x7f)

#define NAME(c) (DIGIT(c) || ALPHA(c) || (c) == '-')

#define LINE(c) (!CONTROL(c))

/* RFC 9110 5.6.2 */
#define TOKEN(c)                                                                                   \
    (DIGIT(c) || ALPHA(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || \
     (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' ||          \
     (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')

/* RFC 9110 5.5: VCHAR, obs-text (8-bit bytes), SP and HTAB. */
#define TEXT(c) (!CONTROL(c) || (c) == '\t')

#define VISIBLE(c) ((c) > 0x20 && (c) < 0x7f)

/* The reference server's rule: tokens, and '/', '?' and 8-bit bytes too. None can end a line. */
#define SENT_NAME(c) (TOKEN(c) || (c) == '/' || (c) == '?' || (c) >= 0x80)

/* RFC 3986 2.2 and 2.3: unreserved / sub-delims. */
#define REG_NAME(c)                                                                                \
    (DIGIT(c) || ALPHA(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~' || (c) == '!' || \
     (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == '*' ||          \
     (c) == '+' || (c) == ',' || (c) == ';' || (c) == '=')

#define CLASSES(c)                                                                                 \
    ((NAME(c) ? HFA_BYTE_NAME : 0) | (LINE(c) ? HFA_BYTE_LINE : 0) |                               \
     (VISIBLE(c) ? HFA_BYTE_VISIBLE : 0) | (TOKEN(c) ? HFA_BYTE_TOKEN : 0) |                       \
     (TEXT(c) ? HFA_BYTE_TEXT : 0) | (SENT_NAME(c) ? HFA_BYTE_SENT_NAME : 0) |                     \
     (REG_NAME(c) ? HFA_BYTE_REG_NAME : 0))

#define FOUR(c)       CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define SIXTEEN(c)    FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)
#define SIXTY_FOUR(c) SIXTEEN(c), SIXTEEN((c) + 16), SIXTEEN((c) + 32), SIXTEEN((c) + 48)

const uint8_t hfa_byte_classes[256] = {
    SIXTY_FOUR(0),
    SIXTY_FOUR(64),
    SIXTY_FOUR(128),
    SIXTY_FOUR(192),
};
