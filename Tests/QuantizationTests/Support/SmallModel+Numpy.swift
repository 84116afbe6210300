import CheckpointTestSupport
import SystemPackage

extension SmallModel {
    /// A forward pass in numpy of 4 sequences of 16 tokens, for scripts to begin with: `logits(weights, ids, seen)`.
    /// `weights` are those of `read(path)`, and `seen` is called with the name and the input of each matrix of a layer.
    static let numpyForwardPass = """
        import sys, numpy as np
        shapes = [("embed", 50, 32)]
        for l in range(2):
            shapes += [(f"{l}n1", 32), (f"{l}q", 64, 32), (f"{l}k", 32, 32), (f"{l}v", 32, 32), (f"{l}o", 32, 64),
                       (f"{l}n2", 32), (f"{l}g", 96, 32), (f"{l}u", 96, 32), (f"{l}d", 32, 96)]
        shapes.append(("norm", 32))
        def read(path):
            data, result = np.fromfile(path, "<f4").astype("f8"), {}
            for name, *shape in shapes:
                n = int(np.prod(shape)); result[name], data = data[:n].reshape(shape), data[n:]
            return result
        angles = np.arange(16)[:, None] * 500.0 ** (-np.arange(8) / 8)
        cos, sin = np.cos(angles)[None, :, None], np.sin(angles)[None, :, None]
        def rope(x):
            a, b = x[..., :8], x[..., 8:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
        def norm(x, g): return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g
        def softmax(x):
            e = np.exp(x - x.max(-1, keepdims=True)); return e / e.sum(-1, keepdims=True)
        def logits(w, ids, seen=lambda name, x: None):
            h = w["embed"][ids].reshape(4, 16, 32)
            for l in map(str, range(2)):
                def product(name, x):
                    seen(name, x); return x @ w[l + name].T
                x = norm(h, w[l + "n1"])
                q, k, v = product("q", x), product("k", x), product("v", x)
                q, k, v = rope(q.reshape(4, 16, 4, 16)), rope(k.reshape(4, 16, 2, 16)), v.reshape(4, 16, 2, 16)
                k, v = np.repeat(k, 2, 2), np.repeat(v, 2, 2)
                s = np.einsum("bqhd,bkhd->bhqk", q, k) / 4 + np.triu(np.full((16, 16), -np.inf), 1)
                h = h + product("o", np.einsum("bhqk,bkhd->bqhd", softmax(s), v).reshape(4, 16, 64))
                x = norm(h, w[l + "n2"])
                g, u = product("g", x), product("u", x)
                h = h + product("d", g / (1 + np.exp(-g)) * u)
            return norm(h, w["norm"]) @ w["embed"].T

        """

    /// Writes the weights as `read` of the forward pass reads them.
    func write(to folder: TemporaryFolder) throws -> FilePath {
        try folder.write("weights", tensors.flatMap(\.elements).withUnsafeBytes(Array.init))
    }
}

/// The numbers that a script printed, line by line.
func printedNumbers(_ text: String) -> [[Double]] {
    text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Double($0) } }
}
