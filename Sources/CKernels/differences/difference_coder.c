// The coder of ordered differences (formats/packed_delta.md, "Differences"): adaptive binary decisions, whose context
// is the exponent of the base, in a range coder with carry.
#include "float_patterns.h"

enum { PROBABILITY_BITS = 15, ADAPTATION_SHIFT = 5, MODELLED_BITS = 2, MODELLED_NODES = 1 << MODELLED_BITS };
enum { TOP = 1 << 24, FIRST_BYTES = 5 };

typedef struct {
    int width;         // bits of a number
    int exponent_bits; // the width of the exponent field
    int length_bits;   // a length minus 1 takes this many bits
} layout;

static inline layout layout_of(pvit_float_type type) {
    switch (type) {
    case PVIT_FLOAT_F32: return (layout){32, 8, 5};
    case PVIT_FLOAT_F16: return (layout){16, 5, 4};
    default: return (layout){16, 8, 4};
    }
}

// The probabilities of one type: each is that of a 0, times 2^15.
typedef struct {
    uint16_t *changed; // [2][exponents]: whether the row has changed before, exponent
    uint16_t *shrinks; // [exponents]
    uint16_t *length;  // [exponents][nodes of a tree over lengths]
    uint16_t *leading; // [width + 1][nodes of a tree over the bits after the first]
} model;

size_t pvit_difference_probability_count(pvit_float_type type) {
    layout form = layout_of(type);
    return ((size_t)3 << form.exponent_bits) + ((size_t)1 << (form.exponent_bits + form.length_bits)) +
           (size_t)(form.width + 1) * MODELLED_NODES;
}

static inline model start_model(pvit_float_type type, uint16_t *probabilities) {
    layout form = layout_of(type);
    size_t count = pvit_difference_probability_count(type);
    for (size_t i = 0; i < count; i++) probabilities[i] = 1 << (PROBABILITY_BITS - 1);
    model result;
    result.changed = probabilities;
    result.shrinks = result.changed + ((size_t)2 << form.exponent_bits);
    result.length = result.shrinks + ((size_t)1 << form.exponent_bits);
    result.leading = result.length + ((size_t)1 << (form.exponent_bits + form.length_bits));
    return result;
}

// Maps patterns to unsigned integers in the order of the numbers. Modulo 2^width, an order is an offset.
static inline uint32_t order_of(uint32_t pattern, int width) {
    uint32_t sign = (uint32_t)1 << (width - 1);
    uint32_t mask = sign | (sign - 1);
    return (pattern & sign) ? ~pattern & mask : pattern | sign;
}

static inline uint32_t pattern_of(uint32_t order, int width) {
    uint32_t sign = (uint32_t)1 << (width - 1);
    uint32_t mask = sign | (sign - 1);
    return (order & sign) ? order & ~sign : ~order & mask;
}

static inline uint32_t exponent_of(uint32_t pattern, layout form) {
    return (pattern >> (form.width - 1 - form.exponent_bits)) & (((uint32_t)1 << form.exponent_bits) - 1);
}

// ---- Encoder

typedef struct {
    uint64_t low;
    uint64_t pending; // bytes that a carry may still change: `cache`, then 0xFF
    uint32_t range;
    uint8_t cache;
    bool is_full;
    uint8_t *bytes;
    size_t size, capacity;
} encoder;

static inline void put_byte(encoder *to, uint8_t byte) {
    if (to->size < to->capacity) {
        to->bytes[to->size++] = byte;
    } else {
        to->is_full = true;
    }
}

static void shift_low(encoder *to) {
    if (to->low < 0xFF000000u || to->low >> 32) {
        uint8_t carry = (uint8_t)(to->low >> 32);
        put_byte(to, (uint8_t)(to->cache + carry));
        for (; to->pending > 1; to->pending--) put_byte(to, (uint8_t)(0xFF + carry));
        to->pending = 0;
        to->cache = (uint8_t)(to->low >> 24);
    }
    to->pending++;
    to->low = (to->low & 0x00FFFFFFu) << 8;
}

static inline void encode_bit(encoder *to, uint16_t *probability, uint32_t bit) {
    uint32_t bound = (to->range >> PROBABILITY_BITS) * *probability;
    if (bit) {
        to->low += bound;
        to->range -= bound;
        *probability -= *probability >> ADAPTATION_SHIFT;
    } else {
        to->range = bound;
        *probability += ((1 << PROBABILITY_BITS) - *probability) >> ADAPTATION_SHIFT;
    }
    while (to->range < TOP) {
        to->range <<= 8;
        shift_low(to);
    }
}

// Codes the `bits` low bits of a value, highest first, each in the context of those before it.
static inline void encode_tree(encoder *to, uint16_t *nodes, uint32_t value, int bits) {
    uint32_t node = 1;
    for (int i = bits - 1; i >= 0; i--) {
        uint32_t bit = (value >> i) & 1;
        encode_bit(to, nodes + node, bit);
        node = node * 2 + bit;
    }
}

typedef struct {
    uint64_t bits;
    int count;
    bool is_full;
    uint8_t *bytes;
    size_t size, capacity;
} bit_writer;

static inline void write_bits(bit_writer *to, uint32_t value, int count) {
    to->bits |= (uint64_t)value << to->count;
    to->count += count;
    for (; to->count >= 8; to->count -= 8, to->bits >>= 8) {
        if (to->size < to->capacity) {
            to->bytes[to->size++] = (uint8_t)to->bits;
        } else {
            to->is_full = true;
        }
    }
}

static inline __attribute__((always_inline)) bool encode(pvit_float_type type, const void *restrict base,
                                                         const void *restrict target, size_t rows, size_t columns,
                                                         uint16_t *restrict probabilities, uint8_t *restrict coded,
                                                         uint8_t *restrict raw, size_t capacity,
                                                         size_t *restrict coded_size, size_t *restrict raw_size) {
    layout form = layout_of(type);
    model model = start_model(type, probabilities);
    encoder out = {.range = UINT32_MAX, .pending = 1, .bytes = coded, .capacity = capacity};
    bit_writer rest = {.bytes = raw, .capacity = capacity};
    uint32_t sign = (uint32_t)1 << (form.width - 1);
    uint32_t mask = sign | (sign - 1);
    for (size_t row = 0; row < rows; row++) {
        uint32_t row_has_changed = 0;
        for (size_t column = 0; column < columns; column++) {
            uint32_t from = load_pattern(type, base, row * columns + column);
            uint32_t to = load_pattern(type, target, row * columns + column);
            uint32_t exponent = exponent_of(from, form);
            uint16_t *changed = model.changed + ((size_t)row_has_changed << form.exponent_bits) + exponent;
            if (from == to) {
                encode_bit(&out, changed, 0);
                continue;
            }
            encode_bit(&out, changed, 1);
            row_has_changed = 1;
            uint32_t difference = (order_of(to, form.width) - order_of(from, form.width)) & mask;
            uint32_t is_down = difference >> (form.width - 1);
            uint32_t magnitude = is_down ? (0 - difference) & mask : difference;
            int length = 32 - __builtin_clz(magnitude);
            encode_tree(&out, model.length + ((size_t)exponent << form.length_bits), (uint32_t)length - 1,
                        form.length_bits);
            uint32_t is_negative = from >> (form.width - 1);
            encode_bit(&out, model.shrinks + exponent, is_down ^ is_negative);
            int left = length - 1;
            int modelled = left < MODELLED_BITS ? left : MODELLED_BITS;
            left -= modelled;
            encode_tree(&out, model.leading + (size_t)length * MODELLED_NODES,
                        (magnitude >> left) & ((1u << modelled) - 1), modelled);
            if (left > 0) write_bits(&rest, magnitude & (((uint32_t)1 << left) - 1), left);
        }
        if (out.is_full || rest.is_full) return false;
    }
    for (int i = 0; i < FIRST_BYTES; i++) shift_low(&out);
    if (rest.count > 0) write_bits(&rest, 0, 8 - rest.count);
    *coded_size = out.size;
    *raw_size = rest.size;
    return !out.is_full && !rest.is_full;
}

bool pvit_encode_differences(pvit_float_type type, const void *restrict base, const void *restrict target, size_t rows,
                             size_t columns, uint16_t *restrict probabilities, uint8_t *restrict coded,
                             uint8_t *restrict raw, size_t capacity, size_t *restrict coded_size,
                             size_t *restrict raw_size) {
    // A copy for each type, so that its layout is a constant.
    switch (type) {
    case PVIT_FLOAT_F32:
        return encode(PVIT_FLOAT_F32, base, target, rows, columns, probabilities, coded, raw, capacity, coded_size,
                      raw_size);
    case PVIT_FLOAT_F16:
        return encode(PVIT_FLOAT_F16, base, target, rows, columns, probabilities, coded, raw, capacity, coded_size,
                      raw_size);
    default:
        return encode(PVIT_FLOAT_BF16, base, target, rows, columns, probabilities, coded, raw, capacity, coded_size,
                      raw_size);
    }
}

// ---- Decoder

typedef struct {
    uint32_t range, code;
    const uint8_t *next, *end;
    bool is_short; // bytes after the end were needed
} decoder;

static inline uint32_t next_byte(decoder *from) {
    if (from->next < from->end) return *from->next++;
    from->is_short = true;
    return 0;
}

static inline uint32_t decode_bit(decoder *from, uint16_t *probability) {
    uint32_t bound = (from->range >> PROBABILITY_BITS) * *probability;
    uint32_t bit = from->code >= bound;
    if (bit) {
        from->code -= bound;
        from->range -= bound;
        *probability -= *probability >> ADAPTATION_SHIFT;
    } else {
        from->range = bound;
        *probability += ((1 << PROBABILITY_BITS) - *probability) >> ADAPTATION_SHIFT;
    }
    while (from->range < TOP) {
        from->range <<= 8;
        from->code = from->code << 8 | next_byte(from);
    }
    return bit;
}

static inline uint32_t decode_tree(decoder *from, uint16_t *nodes, int bits) {
    uint32_t node = 1;
    for (int i = 0; i < bits; i++) node = node * 2 + decode_bit(from, nodes + node);
    return node - ((uint32_t)1 << bits);
}

typedef struct {
    uint64_t bits;
    int count;
    const uint8_t *next, *end;
    bool is_short;
} bit_reader;

static inline uint32_t read_bits(bit_reader *from, int count) {
    for (; from->count < count; from->count += 8) {
        if (from->next < from->end) {
            from->bits |= (uint64_t)*from->next++ << from->count;
        } else {
            from->is_short = true;
        }
    }
    uint32_t value = (uint32_t)(from->bits & (((uint64_t)1 << count) - 1));
    from->bits >>= count;
    from->count -= count;
    return value;
}

static inline __attribute__((always_inline)) bool decode(pvit_float_type type, const void *restrict base,
                                                         const uint8_t *restrict coded, size_t coded_size,
                                                         const uint8_t *restrict raw, size_t raw_size, size_t rows,
                                                         size_t columns, uint16_t *restrict probabilities,
                                                         void *restrict target) {
    layout form = layout_of(type);
    model model = start_model(type, probabilities);
    decoder in = {.range = UINT32_MAX, .next = coded, .end = coded + coded_size};
    bit_reader rest = {.next = raw, .end = raw + raw_size};
    uint32_t sign = (uint32_t)1 << (form.width - 1);
    uint32_t mask = sign | (sign - 1);
    if (next_byte(&in) != 0) return false;
    for (int i = 1; i < FIRST_BYTES; i++) in.code = in.code << 8 | next_byte(&in);
    for (size_t row = 0; row < rows; row++) {
        uint32_t row_has_changed = 0;
        for (size_t column = 0; column < columns; column++) {
            uint32_t from = load_pattern(type, base, row * columns + column);
            uint32_t exponent = exponent_of(from, form);
            if (!decode_bit(&in, model.changed + ((size_t)row_has_changed << form.exponent_bits) + exponent)) {
                store_pattern(type, target, row * columns + column, from);
                continue;
            }
            row_has_changed = 1;
            int length =
                (int)decode_tree(&in, model.length + ((size_t)exponent << form.length_bits), form.length_bits) + 1;
            uint32_t is_negative = from >> (form.width - 1);
            uint32_t is_down = decode_bit(&in, model.shrinks + exponent) ^ is_negative;
            int left = length - 1;
            int modelled = left < MODELLED_BITS ? left : MODELLED_BITS;
            left -= modelled;
            uint32_t magnitude = (uint32_t)1 << modelled;
            magnitude |= decode_tree(&in, model.leading + (size_t)length * MODELLED_NODES, modelled);
            if (left > 0) magnitude = magnitude << left | read_bits(&rest, left);
            uint32_t order = order_of(from, form.width) + (is_down ? 0 - magnitude : magnitude);
            store_pattern(type, target, row * columns + column, pattern_of(order & mask, form.width));
        }
        if (in.is_short || rest.is_short) return false;
    }
    return in.next == in.end && rest.next == rest.end && rest.bits == 0 && !in.is_short;
}

bool pvit_decode_differences(pvit_float_type type, const void *restrict base, const uint8_t *restrict coded,
                             size_t coded_size, const uint8_t *restrict raw, size_t raw_size, size_t rows,
                             size_t columns, uint16_t *restrict probabilities, void *restrict target) {
    switch (type) {
    case PVIT_FLOAT_F32:
        return decode(PVIT_FLOAT_F32, base, coded, coded_size, raw, raw_size, rows, columns, probabilities, target);
    case PVIT_FLOAT_F16:
        return decode(PVIT_FLOAT_F16, base, coded, coded_size, raw, raw_size, rows, columns, probabilities, target);
    default:
        return decode(PVIT_FLOAT_BF16, base, coded, coded_size, raw, raw_size, rows, columns, probabilities, target);
    }
}
