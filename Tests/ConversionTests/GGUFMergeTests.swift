import Checkpoints
import CheckpointTestSupport
import Conversion
import Storage
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite(
    "Merging with a base from llama.cpp",
    .needsFixtures, .needsPython)
struct GGUFMergeTests {
    /// Writes a safetensors folder as a GGUF file with the gguf library, in the manner of llama.cpp's converter: rows
    /// of queries and keys in rotary order, norms in f32.
    private static let writeGGUF = """
        import glob, json, sys, numpy as np
        from gguf import GGUFWriter
        from safetensors import safe_open
        from sentencepiece import SentencePieceProcessor
        config = json.load(open(sys.argv[1] + "/config.json"))
        heads = config["num_attention_heads"]
        parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
                 "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
                 "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
        whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                 "lm_head.weight": "output.weight"}
        writer = GGUFWriter(sys.argv[2], "llama")
        writer.add_context_length(2048)
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(heads)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_dimension_count(config["hidden_size"] // heads)
        p = SentencePieceProcessor(model_file=sys.argv[1] + "/tokenizer.model")
        ids = range(p.vocab_size())
        writer.add_tokenizer_model("llama")
        writer.add_token_list([p.id_to_piece(i) for i in ids])
        writer.add_token_scores([p.get_score(i) for i in ids])
        writer.add_token_types(
            [2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 1 for i in ids])
        for file in sorted(glob.glob(sys.argv[1] + "/*.safetensors")):
            with safe_open(file, "np") as f:
                for name in f.keys():
                    w = f.get_tensor(name)
                    if name in whole:
                        new = whole[name]
                    else:
                        layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
                        new = f"blk.{layer}.{parts[part]}.weight"
                        if parts[part] in ("attn_q", "attn_k"):
                            w = w.reshape(heads, 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
                    writer.add_tensor(new, np.ascontiguousarray(w.astype(np.float32 if w.ndim == 1 else np.float16)))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        """

    @Test("every merged tensor has the bits that PVIT's own merge gives")
    func merged() throws {
        let folder = try TemporaryFolder()
        let path = folder.path.appending("base.gguf")
        _ = try Python.run(Self.writeGGUF, GeneratedFixtures.path("mini-llama-base-st").string, path.string)
        let base = try CheckpointSource.open(path)
        let original = try CheckpointSource.open(GeneratedFixtures.path("mini-llama-base-st"))
        #expect(Set(base.weights.tensors.map(\.name)) == Set(original.weights.tensors.map(\.name)))
        let result = try DeltaMerge.merge(
            base: base, delta: CheckpointSource.open(GeneratedFixtures.path("mini-pvit-delta-st")))
        let expected = try #require(try golden("merged_sha256")["tensors"]?.object)
        let weights = result.checkpoint.weights
        #expect(Set(weights.tensors.map(\.name.rawValue)) == Set(expected.members.map(\.key)))
        for tensor in weights.tensors {
            #expect(
                try digest(of: tensor, in: weights) == expected[tensor.name.rawValue]?["sha256"]?.string,
                "\(tensor.name)")
        }
    }
}
