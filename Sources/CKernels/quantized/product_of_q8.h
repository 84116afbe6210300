// q8 for the bodies of products that both types of weights share (the files of this folder whose names end in _body).
// KERNEL names the kernels of an instruction set.
#pragma once

#include "block_layout.h"

#define GEMV KERNEL(gemv_q8)
#define GEMM KERNEL(gemm_q8)
#define COLUMN_BYTES PVIT_Q8_COLUMN_BYTES
#define CODE_BYTES PVIT_Q8_CODE_BYTES
#define UNIT_BYTES (PVIT_UNIT * COLUMN_BYTES) // of 32 columns of a group
#define ROW_SCALE_BYTES 2                     // from a row's scale to the next row's
#define UNIT_OFFSETS pvit_q8_unit
#define UNIT_IN_SUPERBLOCK pvit_q8_unit_in_superblock

// The activations that q8 is multiplied by.
#define ACTIVATIONS pvit_wide_activations
#define ACTIVATIONS_FROM pvit_wide_activations_from
#define ACTIVATIONS_AT pvit_wide_activations_at
#define PACK KERNEL(pack_wide_activations)
#define PACKED_BYTES KERNEL(packed_wide_activation_bytes)
#define PACK_ROW pvit_pack_wide_row
#define PACKED_ROWS pvit_packed_wide_rows
#define PACKED_ROW_BYTES pvit_packed_wide_row_bytes
