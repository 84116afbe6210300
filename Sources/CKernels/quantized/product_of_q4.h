// q4 for the bodies of products that both types of weights share (the files of this folder whose names end in _body).
// KERNEL names the kernels of an instruction set.
#pragma once

#include "block_layout.h"

#define GEMV KERNEL(gemv_q4)
#define GEMM KERNEL(gemm_q4)
#define COLUMN_BYTES PVIT_Q4_COLUMN_BYTES
#define CODE_BYTES PVIT_Q4_CODE_BYTES
#define UNIT_BYTES (PVIT_UNIT * COLUMN_BYTES) // of 32 columns of a group
#define ROW_SCALE_BYTES 1                     // from a row's scale field to the next row's
#define UNIT_OFFSETS pvit_q4_unit
#define UNIT_IN_SUPERBLOCK pvit_q4_unit_in_superblock

// The activations that q4 is multiplied by.
#define ACTIVATIONS pvit_activations
#define ACTIVATIONS_FROM pvit_activations_from
#define ACTIVATIONS_AT pvit_activations_at
#define PACK KERNEL(pack_activations)
#define PACKED_BYTES KERNEL(packed_activation_bytes)
#define PACK_ROW pvit_pack_row
#define PACKED_ROWS pvit_packed_rows
#define PACKED_ROW_BYTES pvit_packed_row_bytes
