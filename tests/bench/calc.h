/* The classic protocol, as the programs of this folder share it. */

#ifndef CALC_H
#define CALC_H

#include <stdbool.h>
#include <stdint.h>

enum { ADD, SUB, MUL, DIV, QUIT };

struct request {
    int32_t oper, op1, op2;
};

/* False for a request that gets no reply: it ends the conversation. */
static inline bool compute(const struct request *r, int32_t *result)
{
    uint32_t a = (uint32_t)r->op1, b = (uint32_t)r->op2; /* they wrap, where signed ones are undefined */

    switch (r->oper) {
    case ADD: *result = (int32_t)(a + b); return true;
    case SUB: *result = (int32_t)(a - b); return true;
    case MUL: *result = (int32_t)(a * b); return true;
    case DIV:
        if (r->op2 == 0)
            return false;
        *result = r->op2 == -1 ? (int32_t)-a : r->op1 / r->op2; /* INT_MIN / -1 traps */
        return true;
    default: return false;
    }
}

#endif
