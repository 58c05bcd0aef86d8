/* Takes a header's options apart: every view lies in the header, unquoting never grows, and a file
 * name is the end of its value.
 */
#include <stdint.h>
#include <stdlib.h>

#include "header_options.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_within(struct hfa_bytes inner, const char *start, size_t size)
{
    require(inner.data >= start && inner.data + inner.length <= start + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *memory = malloc(size + (size == 0));
    struct hfa_header_option option;
    require(memory != NULL);
    memcpy(memory, data, size);
    struct hfa_bytes rest = {memory, size};
    require_within(hfa_header_options_type(&rest), memory, size);
    for (size_t left = rest.length; hfa_header_options_next(&rest, &option); left = rest.length) {
        require(rest.length < left);
        require_within(option.name, memory, size);
        require_within(option.value, memory, size);
        require(option.has_value || option.value.length == 0);
        hfa_header_option_is(&option, HFA_BYTES("filename"));
        char *unquoted = malloc(option.value.length + (option.value.length == 0));
        require(unquoted != NULL);
        struct hfa_bytes value = hfa_header_option_unquote(option.value, unquoted);
        require(value.length <= option.value.length);
        struct hfa_bytes name = hfa_header_option_file_name(value);
        require(name.data + name.length == value.data + value.length);
        free(unquoted);
    }
    free(memory);
    return 0;
}
