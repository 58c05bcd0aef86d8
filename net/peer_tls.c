#include "peer_tls.h"

#include <stdlib.h>

void hfa_peer_tls_free(struct hfa_peer_tls *tls)
{
    free(tls);
}
