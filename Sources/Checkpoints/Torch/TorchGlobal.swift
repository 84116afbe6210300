import Storage

/// The classes and functions that a state dictionary may name. None is ever called: each is a rule for turning
/// arguments into data.
enum TorchGlobal: Hashable {
    /// `collections.OrderedDict`, `collections.Counter`
    case dictionary
    /// `set`, `frozenset`
    case set
    /// `bytearray`, and `_codecs.encode`, which protocol 2 uses for bytes
    case bytes
    /// `_io.BytesIO`, in which modules keep their extra state
    case byteStream
    /// `torch._utils._rebuild_tensor_v2`: storage, offset, sizes, strides, requires_grad, hooks
    case rebuildTensor
    /// `torch._utils._rebuild_tensor_v3`: the same with the element type
    case rebuildTypedTensor
    /// `torch._utils._rebuild_parameter`: tensor, requires_grad, hooks
    case rebuildParameter
    /// `torch.Size`
    case size
    /// `torch.device`
    case device
    /// `torch.FloatStorage`, …
    case storageClass(TorchElementType)
    /// `torch.float16`, …
    case dtype(TorchElementType)
    /// `torch.contiguous_format`, `torch.strided`, …
    case inert

    /// Looks up a name.
    ///
    /// - Throws: `torch.pickle-global` naming it when it is not one of these, or `torch.unsupported-type`.
    init(module: String, name: String) throws {
        switch (module, name) {
        case ("collections", "OrderedDict"), ("collections", "Counter"): self = .dictionary
        case ("builtins", "set"), ("builtins", "frozenset"), ("__builtin__", "set"), ("__builtin__", "frozenset"):
            self = .set
        case ("builtins", "bytearray"), ("__builtin__", "bytearray"), ("_codecs", "encode"): self = .bytes
        case ("_io", "BytesIO"): self = .byteStream
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTypedTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", "Size"): self = .size
        case ("torch", "device"): self = .device
        case ("torch", "contiguous_format"), ("torch", "channels_last"), ("torch", "preserve_format"),
            ("torch", "strided"):
            self = .inert
        case ("torch._utils", "_rebuild_qtensor"), ("torch._utils", "_rebuild_sparse_tensor"),
            ("torch._utils", "_rebuild_sparse_csr_tensor"), ("torch._utils", "_rebuild_nested_tensor"),
            ("torch._utils", "_rebuild_meta_tensor_no_storage"):
            throw PVITError(
                .torchUnsupportedType,
                "quantized, sparse, nested and meta tensors (\(module).\(name)) are not supported",
                remedy: "save the weights as dense tensors of float16, bfloat16 or float32")
        case ("torch", _), ("torch.storage", _):
            if let type = TorchElementType(storageClass: name) {
                self = .storageClass(type)
            } else if module == "torch", let type = TorchElementType(dtype: name) {
                self = .dtype(type)
            } else {
                throw Self.forbidden(module: module, name: name)
            }
        default: throw Self.forbidden(module: module, name: name)
        }
    }

    /// The error for any other class or function.
    static func forbidden(module: String, name: String) -> PVITError {
        PVITError(
            .torchPickleGlobal,
            "the pickle names \(module.prefix(100)).\(name.prefix(100)), which does not belong in a state dictionary "
                + "and could run code",
            remedy: "do not trust this file; if you trust its author, load it with torch and save only its state_dict")
    }
}
