// The arithmetic of lanes for either width of registers. Included by the lanes of an instruction set after `row_ints`
// and `row_floats` and INTRINSIC(name), which is the intrinsic for these registers.
#pragma once

PVIT_INLINE row_floats load_floats(const float *from) { return INTRINSIC(loadu_ps)(from); }
PVIT_INLINE void store_floats(row_floats x, float *to) { INTRINSIC(storeu_ps)(to, x); }

PVIT_INLINE row_ints equal_ints(int32_t x) { return INTRINSIC(set1_epi32)(x); }
PVIT_INLINE row_floats equal_floats(float x) { return INTRINSIC(set1_ps)(x); }
PVIT_INLINE row_ints add_ints(row_ints x, row_ints y) { return INTRINSIC(add_epi32)(x, y); }
PVIT_INLINE row_ints add_bytes(row_ints x, row_ints y) { return INTRINSIC(add_epi8)(x, y); }
PVIT_INLINE row_floats add_floats(row_floats x, row_floats y) { return INTRINSIC(add_ps)(x, y); }
PVIT_INLINE row_floats multiply_floats(row_floats x, row_floats y) { return INTRINSIC(mul_ps)(x, y); }
PVIT_INLINE row_floats multiply_add(row_floats x, row_floats y, row_floats z) { return INTRINSIC(fmadd_ps)(x, y, z); }
PVIT_INLINE row_ints times_256(row_ints x) { return INTRINSIC(slli_epi32)(x, 8); }
PVIT_INLINE row_floats converted(row_ints x) { return INTRINSIC(cvtepi32_ps)(x); }
