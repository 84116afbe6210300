#include <stdatomic.h>

#include "common/variants.h"

#if defined(__x86_64__)
#include <cpuid.h>

// The register state that the operating system saves (XCR0); 0 if it does not use XSAVE.
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

// EAX of CPUID leaf 7, subleaf 1 (Intel's Software Developer's Manual, volume 2A).
static int supports_avx_vnni(void) {
#ifdef PVIT_AVX_VNNI_OF_AVX512
    return supports_avx512_vnni();
#else
    unsigned a, b, c, d;
    return supports_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has_all(a, bit_AVXVNNI);
#endif
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

const pvit_kernels *pvit_kernels_for(pvit_isa isa) {
    switch (isa) {
    case PVIT_ISA_SCALAR: return &pvit_scalar_kernels;
#if defined(__x86_64__)
    case PVIT_ISA_AVX2: return supports_avx2() ? &pvit_avx2_kernels : NULL;
    case PVIT_ISA_AVX_VNNI: return supports_avx_vnni() ? &pvit_avx_vnni_kernels : NULL;
    case PVIT_ISA_AVX512_VNNI: return supports_avx512_vnni() ? &pvit_avx512_kernels : NULL;
#elif defined(__aarch64__)
    case PVIT_ISA_NEON: return &pvit_neon_kernels;
    case PVIT_ISA_NEON_DOT: return supports_neon_dot() ? &pvit_neon_dot_kernels : NULL;
#endif
    default: return NULL;
    }
}

static const pvit_kernels *find_best(void) {
    const pvit_isa by_preference[] = {PVIT_ISA_AVX512_VNNI, PVIT_ISA_AVX_VNNI, PVIT_ISA_AVX2, PVIT_ISA_NEON_DOT,
                                      PVIT_ISA_NEON};
    for (size_t i = 0; i < sizeof by_preference / sizeof *by_preference; i++) {
        const pvit_kernels *found = pvit_kernels_for(by_preference[i]);
        if (found) return found;
    }
    return &pvit_scalar_kernels;
}

// CPUID takes microseconds in a virtual machine, and the best kernels are asked for with each tile.
static _Atomic(const pvit_kernels *) best;

const pvit_kernels *pvit_kernels_best(void) {
    const pvit_kernels *found = atomic_load_explicit(&best, memory_order_relaxed);
    if (!found) {
        found = find_best(); // all threads find the same
        atomic_store_explicit(&best, found, memory_order_relaxed);
    }
    return found;
}

void pvit_use_kernels(const pvit_kernels *kernels) { atomic_store_explicit(&best, kernels, memory_order_relaxed); }
