import CKernels

/// What is done with the sums of a product: `activation(sum * scale + shift + residual)`.
package struct Epilogue: Sendable {
    /// The function that comes last.
    package enum Activation: Sendable {
        /// None.
        case none
        /// max(x, 0).
        case relu
        /// x sigmoid(1.702 x).
        case quickGELU
    }

    /// A factor for each output; 1 when nil.
    package var scale: Matrix?
    /// An addend for each output; 0 when nil.
    package var shift: Matrix?
    /// An addend for each element, which may be the result's own memory.
    package var residual: Matrix?
    /// The function that comes last.
    package var activation: Activation

    /// Creates an epilogue. Scale and shift have one row with a number for each output.
    package init(
        scale: Matrix? = nil, shift: Matrix? = nil, residual: Matrix? = nil,
        activation: Activation = .none
    ) {
        self.scale = scale
        self.shift = shift
        self.residual = residual
        self.activation = activation
    }
}

extension Epilogue {
    /// The epilogue for the elements from a row and an output on, as kernels take it.
    func from(row: Int, output: Int) -> pvit_epilogue {
        pvit_epilogue(
            scale: scale.map { UnsafePointer($0.start + output) },
            shift: shift.map { UnsafePointer($0.start + output) },
            residual: residual.map { UnsafePointer($0.row(row) + output) }, residual_stride: residual?.stride ?? 0,
            activation: activation.code)
    }
}

extension Epilogue.Activation {
    fileprivate var code: pvit_activation {
        switch self {
        case .none: PVIT_ACTIVATION_NONE
        case .relu: PVIT_ACTIVATION_RELU
        case .quickGELU: PVIT_ACTIVATION_QUICK_GELU
        }
    }
}
