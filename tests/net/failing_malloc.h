/* Makes one allocation of the code under test fail.
 *
 * Link a test that uses it with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc: calls from the
 * test and from static libraries come here, those inside shared libraries do not.
 */
#ifndef FAILING_MALLOC_H
#define FAILING_MALLOC_H

/* From now on the allocation number `index`, counted from 0, fails, and only that one. */
void failing_malloc_arm(long index);

/* Lets every allocation succeed again; returns how many were tried since failing_malloc_arm(). */
long failing_malloc_disarm(void);

#endif
