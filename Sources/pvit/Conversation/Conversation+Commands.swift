import ArgumentParser
import PVITModel
import Storage
import SystemPackage
import Vision

extension Conversation {
    /// Runs a command.
    ///
    /// - Throws: What is wrong with the command. The conversation is then unchanged.
    func perform(_ command: ConversationCommand, _ argument: String) throws {
        switch command {
        case .help: display.show(ConversationCommand.helpText)
        case .image: try setImage(argument)
        case .region: try setRegion(argument)
        case .system: try setSystem(argument)
        case .undo: undo()
        case .reset:
            state.messages = []
            display.note("started a new conversation")
        case .slide:
            state.options.overflow = .slide
            display.note(
                "from now on, the oldest tokens are dropped when the context is full, except instructions and image")
        case .save: try save(argument)
        case .load: try load(argument)
        case .stats: showStatistics()
        case .exit: break
        }
    }

    private func undo() {
        guard let message = state.undo() else { return display.note("there is no message to undo") }
        let beginning = message.prefix { !$0.isNewline }.prefix(60)
        display.note("undone: \(beginning)\(beginning.count < message.count ? "…" : "")")
    }

    private func setSystem(_ text: String) throws {
        if isRaw { throw PVITError(.conversationUse, "instructions need a chat template, and --raw uses none") }
        guard !text.isEmpty else {
            return display.note(state.system.map { "instructions: \($0)" } ?? "there are no instructions")
        }
        state.system = text == ConversationCommand.clearing ? nil : text
        display.note(state.system == nil ? "removed the instructions" : "changed the instructions")
    }

    private func setImage(_ argument: String) throws {
        guard !argument.isEmpty else { return showImage() }
        try show(image: argument == ConversationCommand.clearing ? nil : expandingHome(argument), regions: [])
        // The messages so far are about the previous image.
        let isBegun = !state.messages.isEmpty
        state.messages = []
        if isBegun { display.note("started a new conversation") }
        showImage()
    }

    private func setRegion(_ argument: String) throws {
        guard !argument.isEmpty else { return showRegions() }
        var regions = state.imageOptions.region
        guard let image = state.imageOptions.image.first else {
            throw PVITError(.conversationUse, "regions need an image", remedy: "give one with /image FILE")
        }
        if argument == ConversationCommand.clearing {
            regions = []
        } else {
            let name = argument.prefix { $0 != "=" }
            let isKnown = regions.contains { $0.hasPrefix("\(name)=") }
            regions.removeAll { $0.hasPrefix("\(name)=") }
            if argument != "\(name)=" {
                regions.append(argument)
            } else if !isKnown {
                throw PVITError(.conversationUse, "there is no region \(name)")
            }
        }
        try show(image: image, regions: regions)
        showRegions()
    }

    /// Sets the image and its regions, after checking them.
    private func show(image: FilePath?, regions: [String]) throws {
        let options = try ImageOptions(image: image, regions: regions)
        if image != nil, generator.model.vision == nil {
            throw PVITError(
                .modelNoVision, "this model cannot read images",
                remedy: "use a PVIT model that was quantized with --vision-tower")
        }
        let picture = try options.load(for: generator.model)
        state.imageOptions = options
        state.picture = picture
        if let note = picture?.orientationNote { display.note(note) }
    }

    private func showImage() {
        let image = state.picture.map { "image: \($0.path.readable), \($0.image.size) pixels" }
        display.note(image ?? "there is no image")
    }

    private func showRegions() {
        let regions = state.imageOptions.region
        display.note(regions.isEmpty ? "there are no regions" : "regions: \(regions.joined(separator: "  "))")
    }

    private func save(_ argument: String) throws {
        let path = try file(argument, .save)
        try ConversationFile(state).write(to: path)
        display.note("wrote \(path): \(count(state.messages.count))")
    }

    private func load(_ argument: String) throws {
        let path = try file(argument, .load)
        let saved = try ConversationFile(contentsOf: path)
        if isRaw { throw PVITError(.conversationUse, "a conversation needs a chat template, and --raw uses none") }
        try show(image: saved.image.map { FilePath($0) }, regions: saved.regions)
        state.system = saved.system
        state.messages = saved.messages
        display.note("loaded \(path): \(count(saved.messages.count))")
    }

    private func file(_ argument: String, _ command: ConversationCommand) throws -> FilePath {
        guard !argument.isEmpty else {
            throw PVITError(.conversationUse, "/\(command.rawValue) takes a file name")
        }
        return expandingHome(argument)
    }

    private func count(_ messages: Int) -> String { messages == 1 ? "1 message" : "\(messages) messages" }

    private func showStatistics() {
        guard let result = lastResult else { return display.note("there is no answer yet") }
        let used = result.promptTokenCount + result.tokens.count - result.droppedTokenCount
        var table = TextTable([("last answer", .left), ("", .right), ("", .left)])
        table.add(["context", "\(used)", "of \(generator.contextLength) tokens"])
        table.add([
            "prompt", "\(result.promptTokenCount)",
            "tokens, \(result.reusedTokenCount) of them cached, "
                + "\(result.prefillTokensPerSecond.formatted(decimals: 1)) tokens/s",
        ])
        table.add([
            "answer", "\(result.tokens.count)",
            "tokens, \(result.decodeTokensPerSecond.formatted(decimals: 1)) tokens/s, "
                + "ended by \(result.stopReason.rawValue)",
        ])
        let vision = result.visionTimings.total.seconds
        if vision > 0 { table.add(["image", vision.formatted(decimals: 2), "seconds"]) }
        if let lastSession {
            table.add(["session", "\(lastSession.positionCount)", "tokens in \(lastSession.size)"])
        }
        display.show(table.text)
    }
}

extension PVITError.Code {
    /// A command cannot be used like this, or not now.
    static let conversationUse = Self("conversation.use", .usage)
}

extension ImageOptions {
    /// Creates options for an image and its regions.
    ///
    /// - Throws: `conversation.use` for regions that `--region` would reject.
    fileprivate init(image: FilePath?, regions: [String]) throws {
        do {
            self = try .parse((image.map { ["--image=\($0.string)"] } ?? []) + regions.map { "--region=\($0)" })
        } catch {
            throw PVITError(.conversationUse, Self.message(for: error))
        }
    }
}
