// The entries of a table that the body fills. Included inside the initializer of each instruction set's table.
.f16_to_f32 = f16_to_f32,
    .bf16_to_f32 = bf16_to_f32, .f32_to_f16 = f32_to_f16, .f32_to_bf16 = f32_to_bf16, .add_f16 = add_f16,
    .add_bf16 = add_bf16, .subtract_f16 = subtract_f16, .subtract_bf16 = subtract_bf16,
    .quantize_activations = quantize_activations, .quantize_wide_activations = quantize_wide_activations,
    .row_q8 = row_q8, .row_q4 = row_q4, .gemv_f32 = gemv_f32, .gemv_f16 = gemv_f16, .gemv_bf16 = gemv_bf16,
    .gemm_f32 = gemm_f32, .gemm_f16 = gemm_f16, .gemm_bf16 = gemm_bf16, .rms_norm = rms_norm, .rope = rope,
    .swiglu = swiglu, .add = add, .store_key = store_key, .store_value = store_value, .attend = attend,
    .read_probe = read_probe, .dot_probe = dot_probe,
