// The entries of a table that the body fills. Included inside the initializer of each instruction set's table.
.pack_rows = pack_rows, .multiply_panel = multiply_panel, .finish = finish, .layer_norm = layer_norm,
                        .softmax = softmax, .weighted_sum = weighted_sum, .fma_probe = fma_probe,
