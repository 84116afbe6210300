#include "common/variants.h"

#if defined(__x86_64__)
#include <cpuid.h>

// The register state that the operating system saves (XCR0), or 0 when it does not use XSAVE.
static uint64_t saved_state(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has_all(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

static int supports_avx2(void) {
    unsigned a, b, c, d;
    if (!has_all((unsigned)saved_state(), 0x06)) return 0; // XMM, YMM
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, bit_AVX | bit_FMA | bit_F16C)) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && has_all(b, bit_AVX2);
}

static int supports_avx512_vnni(void) {
    unsigned a, b, c, d;
    if (!supports_avx2() || !has_all((unsigned)saved_state(), 0xE6)) return 0; // and mask registers, ZMM
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    return has_all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) && has_all(c, bit_AVX512VNNI);
}
#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>

// HWCAP_ASIMDDP of the Linux kernel's arch/arm64/include/uapi/asm/hwcap.h.
static int supports_neon_dot(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; }
#elif defined(__ARM_FEATURE_DOTPROD)
static int supports_neon_dot(void) { return 1; }
#else
static int supports_neon_dot(void) { return 0; }
#endif
#endif

// All kernels of an instruction set; NULL members where the processor or the operating system does not support it.
typedef struct {
    const pvit_kernels *kernels;
    const pvit_encoders *encoders;
    const pvit_float_kernels *floats;
} variant;

static variant variant_for(pvit_isa isa) {
    const variant scalar = {&pvit_scalar_kernels, &pvit_scalar_encoders, &pvit_scalar_float_kernels};
    const variant none = {NULL, NULL, NULL};
    switch (isa) {
    case PVIT_ISA_SCALAR: return scalar;
#if defined(__x86_64__)
    case PVIT_ISA_AVX2:
        return supports_avx2() ? (variant){&pvit_avx2_kernels, &pvit_avx2_encoders, &pvit_avx2_float_kernels} : none;
    case PVIT_ISA_AVX512_VNNI:
        return supports_avx512_vnni()
                   ? (variant){&pvit_avx512_kernels, &pvit_avx512_encoders, &pvit_avx512_float_kernels}
                   : none;
#elif defined(__aarch64__)
    // The encoders are written in vector types, which the compiler maps to NEON by itself.
    case PVIT_ISA_NEON: return (variant){&pvit_neon_kernels, &pvit_scalar_encoders, &pvit_neon_float_kernels};
    case PVIT_ISA_NEON_DOT:
        return supports_neon_dot() ? (variant){&pvit_neon_dot_kernels, &pvit_scalar_encoders, &pvit_neon_float_kernels}
                                   : none;
#endif
    default: return none;
    }
}

static variant best_variant(void) {
    const pvit_isa by_preference[] = {PVIT_ISA_AVX512_VNNI, PVIT_ISA_AVX2, PVIT_ISA_NEON_DOT, PVIT_ISA_NEON};
    for (size_t i = 0; i < sizeof by_preference / sizeof *by_preference; i++) {
        variant found = variant_for(by_preference[i]);
        if (found.kernels) return found;
    }
    return variant_for(PVIT_ISA_SCALAR);
}

const pvit_kernels *pvit_kernels_for(pvit_isa isa) { return variant_for(isa).kernels; }
const pvit_kernels *pvit_kernels_best(void) { return best_variant().kernels; }
const pvit_encoders *pvit_encoders_for(pvit_isa isa) { return variant_for(isa).encoders; }
const pvit_encoders *pvit_encoders_best(void) { return best_variant().encoders; }
const pvit_float_kernels *pvit_float_kernels_for(pvit_isa isa) { return variant_for(isa).floats; }
const pvit_float_kernels *pvit_float_kernels_best(void) { return best_variant().floats; }
