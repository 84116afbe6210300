import NIOConcurrencyHelpers
import PVITModel
import Storage
import Vision

/// The images of the latest requests, prepared for the model. A conversation sends its image again with every question.
final class ImageCache: Sendable {
    private struct Entry {
        let digest: Digest
        let image: PreparedImage
    }

    private let entries = NIOLockedValueBox<[Entry]>([])
    /// The number of images that are kept. A prepared image takes about 3 MB.
    private static let count = 8

    /// Decodes and scales an image, unless it is known.
    ///
    /// - Throws: `image.*`, `model.no-vision`; `file.not-found`, `file.unreadable`.
    func image(_ source: ConversationContent.ImageSource, _ prompts: PromptBuilder) throws -> PreparedImage {
        switch source {
        case .file(let path): return try prompts.image(ImageFile(path: path))
        case .bytes(let bytes):
            let digest = SHA256.digest(of: bytes)
            if let known = take(digest) { return known }
            let image = try prompts.image(ImageFile(bytes: bytes))
            entries.withLockedValue { $0 = $0.suffix(Self.count - 1) + [Entry(digest: digest, image: image)] }
            return image
        }
    }

    private func take(_ digest: Digest) -> PreparedImage? {
        entries.withLockedValue { entries in
            guard let index = entries.firstIndex(where: { $0.digest == digest }) else { return nil }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.image
        }
    }
}
